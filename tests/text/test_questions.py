"""Questions for yes or no keep their mark, which the voice rises to; others end as statements."""

from __future__ import annotations

import pytest

from dlpo.text import TextFrontEnd


@pytest.fixture(scope="module")
def front_end() -> TextFrontEnd:
    return TextFrontEnd()


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("Is it here?", "?"),
        ("Did he say where it is?", "?"),  # the question word doesn't open it
        ("You did?", "?"),
        ("Where is it?", "."),
        ("And at what time does it leave?", "."),
        ("What's your name?", "."),
        ("What a day!", "!"),
        ("Which one it is, nobody knows.", "."),
    ],
)
def test_only_a_question_for_yes_or_no_ends_in_a_question_mark(
    text: str, mark: str, front_end: TextFrontEnd
) -> None:
    (sentence,) = front_end.process(text).sentences
    assert sentence.words[-1].mark == mark
    assert sentence.text == text


def test_each_sentence_is_settled_by_itself(front_end: TextFrontEnd) -> None:
    found = front_end.process("Where are you? Are you there?").sentences
    assert [sentence.words[-1].mark for sentence in found] == [".", "?"]


def test_ssml_is_settled_alike(front_end: TextFrontEnd) -> None:
    found = front_end.process_ssml("<speak>Why not? <break/> Is it?</speak>").sentences
    assert [sentence.words[-1].mark for sentence in found] == [".", "?"]
