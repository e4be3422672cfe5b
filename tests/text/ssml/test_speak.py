"""SSML documents, spoken: words with their prosody and place, pauses, marks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpo.errors import InputError, SsmlError, TextError
from dlpo.text import ProsodyLimits, Sentence, TextFrontEnd

FRONT_END = TextFrontEnd()


def spoken(inside: str) -> list[Sentence]:
    return list(FRONT_END.process_ssml(f"<speak>{inside}</speak>").sentences)


def said(inside: str) -> list[str]:
    return [sentence.normalized for sentence in spoken(inside)]


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


def test_silent_words_are_there_but_not_heard() -> None:
    assert spoken("<prosody volume='silent'>hush</prosody>")[0].words[0].volume_db == -math.inf


def test_elements_may_begin_and_end_within_a_sentence_and_a_form() -> None:
    assert said("It is <emphasis>5</emphasis>:<emphasis>30</emphasis> p.m. on Elm <s>St.</s>") == [
        "it is five thirty p m on elm", "street",
    ]  # fmt: skip


def test_limits_are_those_of_the_request() -> None:
    document = "<speak><prosody rate='150%'>fast</prosody></speak>"
    with pytest.raises(SsmlError, match=r"column 8: <prosody>: .*expected 0.25 to 1"):
        FRONT_END.process_ssml(document, limits=ProsodyLimits(speed=(0.25, 1.0)))


def test_sentences_and_paragraphs_end_where_their_elements_do() -> None:
    assert said("<p>one two</p>three<p><s>four</s><s>five</s></p>") == [
        "one two", "three", "four", "five",
    ]  # fmt: skip
    assert [s.words[-1].mark for s in spoken("<s>one?</s><s>two</s>three,")] == ["?", ".", ","]


def test_a_break_ends_the_unit_and_sets_the_pause() -> None:
    first, second = spoken("Wait <break time='700ms'/> for it.")
    assert (first.normalized, first.pause_after_s, first.words[-1].mark) == ("wait", 0.7, ",")
    assert (second.normalized, second.pause_after_s) == ("for it", None)


def test_the_voice_falls_where_a_sentence_ends_at_a_break() -> None:
    marks = [s.words[-1].mark for s in spoken("<s>One<break/></s> Two.<break/> Three <break/>")]
    assert marks == [".", ".", "."]


def test_breaks_add_up_and_stand_at_the_ends_too() -> None:
    first, last = spoken(
        "<break time='1s'/><break time='.5s'/>a<break time='2s'/><break strength='none'/>"
        "<break time='250ms'/>b<break time='+3s'/>"
    )
    assert (first.pause_before_s, first.pause_after_s) == (1.5, 2.25)
    assert (last.pause_before_s, last.pause_after_s) == (0.0, 3.0)


def test_breaks_are_as_long_as_docs_ssml_says() -> None:
    pauses = [
        spoken(f"a<break strength='{strength}'/>b")[0].pause_after_s
        for strength in ("x-weak", "weak", "medium", "strong", "x-strong")
    ]
    assert pauses == [0.1, 0.25, 0.5, 0.8, 1.2]
    assert spoken("a<break/>b")[0].pause_after_s == pauses[2]
    assert len(spoken("a<break strength='none'/>b")) == 1


def test_a_written_form_never_goes_across_a_break() -> None:
    assert said("5<break/>million") == ["five", "million"]
    assert said("3 <break/>1/2") == ["three", "a half"]


def test_marks_stand_before_their_word_or_at_the_end() -> None:
    (sentence,) = spoken("<mark name='a'/>one <mark name='b'/>two three<mark name='c'/>")
    assert [(mark.name, mark.word) for mark in sentence.marks] == [("a", 0), ("b", 1), ("c", 3)]


def test_marks_at_a_boundary_keep_to_their_side() -> None:
    first, second = spoken("One.<mark name='a'/><break/><mark name='b'/> Two")
    assert [(mark.name, mark.word) for mark in first.marks] == [("a", 1)]
    assert [(mark.name, mark.word) for mark in second.marks] == [("b", 0)]


def test_many_marks_are_kept_in_order() -> None:
    (sentence,) = spoken("one " + "".join(f"<mark name='{n}'/>" for n in range(5000)) + "two")
    assert [mark.name for mark in sentence.marks] == [str(n) for n in range(5000)]


def test_sub_and_say_as_and_phoneme_are_read_apart_from_their_neighbours() -> None:
    assert said("x<sub alias='World Wide Web'>WWW</sub>y") == ["X world wide web Y".lower()]
    assert said("no <say-as interpret-as='ordinal'>5</say-as>th of them") == ["no fifth th of them"]
    (sentence,) = spoken("in <phoneme alphabet='cmu' ph='P EH1 K AA2 N'>pecan</phoneme>s")
    assert sentence.words[1].phonemes == ("P", "EH1", "K", "AA2", "N")


def test_given_phonemes_go_before_dictionary_and_weak_forms() -> None:
    document = "<speak>the <phoneme alphabet='ipa' ph='ˈðiː'>the</phoneme> the end</speak>"
    (sentence,) = FRONT_END.process_ssml(document, {"the": "DH AH1"}).sentences
    assert [" ".join(word.phonemes) for word in sentence.words[:3]] == [
        "DH AH1",
        "DH IY1",
        "DH AH1",
    ]


def test_neighbours_hear_given_phonemes() -> None:
    (sentence,) = spoken("the <phoneme ph='ˈaʊl'>bowl</phoneme>")
    assert sentence.words[0].phonemes == ("DH", "IY0")  # as before any vowel


def test_an_empty_phoneme_is_spoken() -> None:
    (sentence,) = spoken("a <phoneme ph='ˈbʌs'/> came")
    assert [" ".join(word.phonemes) for word in sentence.words[1:2]] == ["B AH1 S"]


def test_single_letters_are_named() -> None:
    (sentence,) = spoken("<say-as interpret-as='characters'>W3C</say-as>")
    assert sentence.normalized == "w three c"
    assert sentence.words[2].phonemes == ("S", "IY1")


def test_dropped_characters_are_counted() -> None:
    assert FRONT_END.process_ssml("<speak>Hi 😀 你<sub alias='b你'>c</sub></speak>").dropped == 3


@pytest.mark.parametrize(
    "inside",
    ["", " ", "<break/>", "...", "你", "<p><s/></p>", "<mark name='a'/>", "<sub alias='?'>a</sub>"],
)
def test_documents_without_anything_to_say_are_refused(inside: str) -> None:
    with pytest.raises(TextError, match=r"expected"):
        spoken(inside)


def test_a_wrong_dictionary_is_refused() -> None:
    with pytest.raises(InputError, match="dictionary: 'a'"):
        FRONT_END.process_ssml("<speak>a</speak>", {"a": "XX"})


def test_long_documents_become_bounded_sentences() -> None:
    inside = "<prosody rate='fast'>word</prosody> " * 4000
    sentences = spoken(inside)
    assert all(len(s.symbol_ids()) <= 401 for s in sentences)
    assert sum(len(s.words) for s in sentences) == 4000
    assert {w.speed for s in sentences for w in s.words} == {1.3}


WORDS = st.lists(st.sampled_from(["one", "two", "Dr.", "$5", "R&D", "café", "6"]), min_size=1)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(WORDS, st.sampled_from(["p", "s", "emphasis"])), min_size=1, max_size=8))
def test_wrapping_text_in_elements_changes_no_word(parts: list[tuple[list[str], str]]) -> None:
    def escaped(words: list[str]) -> str:
        return " ".join(words).replace("&", "&amp;")

    document = "".join(f"<{name}>{escaped(words)}</{name}>\n" for words, name in parts)
    whole = f"<speak>{document}</speak>"
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
