"""SSML documents, spoken: words with their prosody and place, pauses, marks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpo.errors import TextError
from dlpo.text import Sentence, TextFrontEnd

FRONT_END = TextFrontEnd()
WORDS = st.lists(st.sampled_from(["one", "two", "Dr.", "$5", "R&D", "café", "6"]), min_size=1)


def spoken(inside: str) -> list[Sentence]:
    return list(FRONT_END.process_ssml(f"<speak>{inside}</speak>").sentences)


def test_text_without_elements_is_spoken_as_text() -> None:
    text = "Dr. Smith paid $5 to the FBI on July 4, 1776. Then he left; so did we! OK"
    plain = FRONT_END.process(text)
    marked = spoken(text)
    assert [s.normalized for s in marked] == [s.normalized for s in plain.sentences]
    assert [s.symbol_ids() for s in marked] == [s.symbol_ids() for s in plain.sentences]
    assert [s.text for s in marked] == [s.text for s in plain.sentences]
    assert all(s.pause_after_s is None and not s.pause_before_s and not s.marks for s in marked)
    words = [(w.speed, w.pitch_semitones, w.volume_db) for s in marked for w in s.words]
    assert set(words) == {(1.0, 0.0, 0.0)}


def test_words_know_their_place_in_the_document() -> None:
    document = (
        '<?xml version="1.0"?>\r\n<speak>Caf\u00e9 <emphasis>R&amp;D</emphasis>\r\n costs'
        ' <say-as interpret-as="currency">USD5</say-as> and <sub alias="a lot more">x</sub>'
        " \u00bd &#x41;ll</speak>"
    )
    (sentence,) = FRONT_END.process_ssml(document).sentences
    assert [(w.word, document[w.start : w.end]) for w in sentence.words] == [
        ("cafe", "Caf\u00e9"), ("r", "R"), ("and", "&amp;"), ("d", "D"), ("costs", "costs"),
        ("five", "USD5"), ("dollars", "USD5"), ("and", "and"), ("a", "x"), ("lot", "x"),
        ("more", "x"), ("a", "\u00bd"), ("half", "\u00bd"), ("all", "&#x41;ll"),
    ]  # fmt: skip


def test_prosody_is_that_of_the_elements_around_a_word() -> None:
    (sentence,) = spoken(
        "one <prosody rate='80%' pitch='+2st'>two <prosody rate='150%' volume='-6dB'>three"
        "</prosody> four</prosody> five"
    )
    assert [(w.speed, w.pitch_semitones, w.volume_db) for w in sentence.words] == [
        (1, 0, 0), (0.8, 2, 0), (pytest.approx(1.2), 2, -6), (0.8, 2, 0), (1, 0, 0),
    ]  # fmt: skip


def test_breaks_are_as_long_as_docs_ssml_says() -> None:
    pauses = [
        spoken(f"a<break strength='{strength}'/>b")[0].pause_after_s
        for strength in ("x-weak", "weak", "medium", "strong", "x-strong")
    ]
    assert pauses == [0.1, 0.25, 0.5, 0.8, 1.2]
    assert spoken("a<break/>b")[0].pause_after_s == pauses[2]
    assert len(spoken("a<break strength='none'/>b")) == 1


@pytest.mark.parametrize(
    "inside",
    ["", " ", "<break/>", "...", "你", "<p><s/></p>", "<mark name='a'/>", "<sub alias='?'>a</sub>"],
)
def test_documents_without_anything_to_say_are_refused(inside: str) -> None:
    with pytest.raises(TextError, match=r"expected"):
        spoken(inside)


def test_long_documents_become_bounded_sentences() -> None:
    inside = "<prosody rate='fast'>word</prosody> " * 4000
    sentences = spoken(inside)
    assert all(len(s.symbol_ids()) <= 401 for s in sentences)
    assert sum(len(s.words) for s in sentences) == 4000
    assert {w.speed for s in sentences for w in s.words} == {1.3}


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(WORDS, st.sampled_from(["p", "s", "emphasis"])), min_size=1, max_size=8))
def test_wrapping_text_in_elements_changes_no_word(parts: list[tuple[list[str], str]]) -> None:
    document = "".join(f"<{name}>{' '.join(words)}</{name}>\n" for words, name in parts)
    whole = f"<speak>{document.replace('&', '&amp;')}</speak>"
    result = FRONT_END.process_ssml(whole)
    found = [w for s in result.sentences for w in s.words]
    places = [(w.start, w.end) for w in found]
    assert places == sorted(places)
    written = {whole[start:end] for start, end in places}
    assert written <= {"one", "two", "Dr.", "$5", "R", "&amp;", "D", "café", "6"}
    assert [w.word for w in found if w.word in ("one", "two", "cafe")] == [
        word.replace("é", "e")
        for words, _ in parts
        for word in words
        if word in ("one", "two", "café")
    ]


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("It is <emphasis>5</emphasis>:<emphasis>30</emphasis> p.m. on Elm <s>St.</s>",
         ["it is five thirty p m on elm.", "street."]),
        ("<p>one two</p>three<p><s>four?</s><s>five</s></p>six,",
         ["one two.", "three.", "four?", "five.", "six,"]),
        ("5<break/>million", ["five,", "million."]),
        ("3 <break/>1/2", ["three,", "a half."]),
        ("<s>One<break/></s> Two.<break/> Three <break/>", ["one.", "two.", "three."]),
        ("x<sub alias='World Wide Web'>WWW</sub>y", ["x world wide web y."]),
        ("no <say-as interpret-as='ordinal'>5</say-as>th of them", ["no fifth th of them."]),
    ],
)  # fmt: skip
def test_elements_end_sentences_and_forms(inside: str, expected: list[str]) -> None:
    assert [s.normalized + s.words[-1].mark for s in spoken(inside)] == expected


def test_breaks_add_up_before_and_after_their_sentence() -> None:
    first, last = spoken(
        "<break time='1s'/><break time='.5s'/>a<break time='2s'/><break strength='none'/>"
        "<break time='250ms'/>b<break time='+3s'/>"
    )
    assert (first.pause_before_s, first.pause_after_s) == (1.5, 2.25)
    assert (last.pause_before_s, last.pause_after_s) == (0.0, 3.0)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<mark name='a'/>one <mark name='b'/>two three<mark name='c'/>",
         [[("a", 0), ("b", 1), ("c", 3)]]),
        ("One.<mark name='a'/><break/><mark name='b'/> Two", [[("a", 1)], [("b", 0)]]),
        ("one " + "".join(f"<mark name='{n}'/>" for n in range(5000)) + "two",
         [[(str(n), 1) for n in range(5000)]]),
    ],
    ids=["words", "boundary", "many"],
)  # fmt: skip
def test_marks_are_before_their_word(inside: str, expected: list[list[tuple[str, int]]]) -> None:
    assert [[(mark.name, mark.word) for mark in s.marks] for s in spoken(inside)] == expected


@pytest.mark.parametrize(
    ("inside", "phonemes"),
    [
        ("the <phoneme alphabet='ipa' ph='ˈðiː'>the</phoneme> the",  # before dictionary, weak forms
         ["DH AH1", "DH IY1", "DH AH1"]),
        ("a <phoneme ph='ˈaʊl'>bowl</phoneme>", ["AH0", "AW1 L"]),
        ("a <phoneme ph='ˈbʌs'/>", ["AH0", "B AH1 S"]),
        ("<phoneme alphabet='cmu' ph='P EH1 K AA2 N'>pecan</phoneme>s", ["P EH1 K AA2 N", "EH1 S"]),
        ("<say-as interpret-as='characters'>3C</say-as>", ["TH R IY1", "S IY1"]),
    ],
)  # fmt: skip
def test_words_have_the_phonemes_that_the_document_gives(inside: str, phonemes: list[str]) -> None:
    document = f"<speak>{inside}</speak>"
    (sentence,) = FRONT_END.process_ssml(document, {"the": "DH AH1"}).sentences
    assert [" ".join(word.phonemes) for word in sentence.words] == phonemes
