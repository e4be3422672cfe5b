"""Text in, sentences of words with phonemes and marks out; and every kind of bad text."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpo.errors import InputError, TextError
from dlpo.text import TextFrontEnd
from dlpo.text.front_end import MAX_SYMBOLS
from dlpo.text.symbols import MARKS, PHONEMES, START, SYMBOLS


@pytest.fixture(scope="module")
def front_end() -> TextFrontEnd:
    return TextFrontEnd()


def test_words_have_phonemes_marks_and_places(front_end: TextFrontEnd) -> None:
    text = 'He said: "Pay $5, now!" Then he left.'
    first, second = front_end.process(text).sentences
    assert first.text == 'He said: "Pay $5, now!"'
    assert first.normalized == "he said pay five dollars now"
    assert [(w.word, w.mark, text[w.start : w.end]) for w in first.words] == [
        ("he", " ", "He"),
        ("said", ":", "said"),
        ("pay", " ", "Pay"),
        ("five", " ", "$5"),
        ("dollars", ",", "$5"),
        ("now", "!", "now"),
    ]
    assert first.words[2].phonemes == ("P", "EY1")
    assert (second.text, second.normalized) == ("Then he left.", "then he left")


def test_symbol_ids_are_the_row_that_the_encoder_reads(front_end: TextFrontEnd) -> None:
    (sentence,) = front_end.process("Hi, Bob").sentences
    row = [SYMBOLS[index] for index in sentence.symbol_ids()]
    assert row == [START, "HH", "AY1", ",", "B", "AA1", "B", "."]


def test_sentences_show_what_will_be_said(front_end: TextFrontEnd) -> None:
    first, second = front_end.process("Dr. Bob. Hi").sentences
    assert second.normalized == "hi"
    assert [(word.word, word.phonemes) for word in second.words] == [("hi", ("HH", "AY1"))]
    assert first.normalized == "doctor bob"


def test_request_dictionary_goes_before_the_voice_and_the_lexicon() -> None:
    front_end = TextFrontEnd({"Bob": "B OW1 B", "SQL": "S IY1 K W AH0 L"})

    def said(text: str, dictionary: dict[str, str] | None = None) -> list[str]:
        words = front_end.process(text, dictionary).sentences[0].words
        return [" ".join(word.phonemes) for word in words]

    assert said("Bob's SQL bob") == ["B AA1 B Z", "S IY1 K W AH0 L", "B OW1 B"]
    assert said("bob", {"BOB": "b uw1 b"}) == ["B UW1 B"]
    assert said("bob") == ["B OW1 B"]


@pytest.mark.parametrize("wrong", ["HH AX L", "", "HH AH L OW", "hello"])
def test_wrong_dictionary_names_the_word(front_end: TextFrontEnd, wrong: str) -> None:
    with pytest.raises(InputError, match=r"dictionary: 'hello'.*ARPAbet"):
        front_end.process("hello", {"hello": wrong})
    with pytest.raises(InputError, match="dictionary"):
        TextFrontEnd({"hello": wrong})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("\x00\x07\x1b", "nothing in the text can be spoken"),
        ("...!?", "punctuation"),
        ("😀👍", "2 characters"),
        ("Привет, мир", "another script"),
        ("你好", "another script"),
        ("\ud800\udfff", "2 characters"),
    ],
)
def test_text_without_anything_to_say_is_refused(
    front_end: TextFrontEnd, text: str, reason: str
) -> None:
    with pytest.raises(TextError, match=reason):
        front_end.process(text)


def test_unspeakable_characters_are_dropped_with_a_count(front_end: TextFrontEnd) -> None:
    result = front_end.process("Good 😀 morning\ud83d, мир")
    assert result.dropped == 5
    assert result.sentences[0].normalized == "good morning"


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("Xqzt vbnm", "xqzt vbnm"),
        ("naïve café", "naive cafe"),
        ("tab\tand\x00null\r\nline", "tab and null line"),
        ("٣ cats", "three cats"),
    ],
)
def test_strange_words_are_spoken_somehow(
    front_end: TextFrontEnd, text: str, normalized: str
) -> None:
    (sentence,) = front_end.process(text).sentences
    assert sentence.normalized.replace(" ", "") == normalized.replace(" ", "")
    assert all(word.phonemes for word in sentence.words)


@pytest.mark.parametrize(
    "text",
    [
        "word " * 20_000,
        "a" * 100_000,
        "1" * 100_000,
        "a." * 5_000,
        "x@" * 5_000,
        "1/" * 5_000,
        "1,111" * 2_000,
        "(" * 99_990 + "end",
        "\n" * 99_990 + "end",
        "Dr. " * 2_500,
        "http://" * 2_000,
        "pneumono" * 63,  # a word of 504 letters
    ],
    ids=lambda text: text[:8],
)
def test_long_texts_become_bounded_sentences(front_end: TextFrontEnd, text: str) -> None:
    result = front_end.process(text)
    assert all(len(s.symbol_ids()) <= MAX_SYMBOLS + 1 for s in result.sentences)
    last = result.sentences[-1].words[-1]
    assert last.end >= len(text.rstrip(" ./@(,:")) - 1


WRITTEN_FORMS = (
    "Dr.", "St.", "No.", "Mr", "I", "II", "V.", "A", "a", "US", "U.S.", "I'm", "'s", "-", "--",
    "...", ".", ",", "!", "?", "(", ")", "\"", "#", "@", "%", "&", "*", "~", "^", "/", "<", "$",
    "$5", "5", "5th", "-3", "1/2", "1,000", ".5", "0", "007", "3:00", "24:61", "p.m.", "5%",
    "km", "5km", "1990s", "'90s", "+1", "555-1234", "www.", "http://", "http://a", "a@b.co",
    "x.y", "2026-11-20", "13/13/2013", "May", "Jan.", "Louis", "½", "é", "😀", "你", "IX",
)  # fmt: skip


@settings(deadline=None, max_examples=50)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from([*WRITTEN_FORMS, " ", " ", "\n", "\n\n"]), max_size=25).map("".join)
)
def test_any_text_is_spoken_or_refused(text: str) -> None:
    try:
        result = FRONT_END.process(text)
    except TextError:
        return
    for sentence in result.sentences:
        assert sentence.words[-1].mark != " "
        for word in sentence.words:
            assert word.phonemes
            assert set(word.phonemes) <= set(PHONEMES)
            assert word.mark in MARKS
            assert 0 <= word.start < word.end <= len(text)


FRONT_END = TextFrontEnd()


def test_front_end_never_reaches_torch() -> None:
    code = "import sys, dlpo.text; dlpo.text.TextFrontEnd(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
