"""English as people write it, and what a speaker says: words, or the sounds of one word."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from dlpo.errors import SsmlError
from dlpo.text import TextFeed, TextFrontEnd
from dlpo.text.common.reading import ReadingOptions

ROOT = Path(__file__).resolve().parents[3]
checked = runpy.run_path(str(ROOT / "scripts" / "spoken_cases"))["checked"]
FRONT_END = TextFrontEnd()
CASES = [
    line.split("\t")[:4]
    for line in Path(__file__).with_name("spoken_cases.tsv").read_text("utf-8").splitlines()
]


def test_cases_are_read_as_a_speaker_reads_them() -> None:
    wrong = {}
    for _, written, check, right in CASES:
        found, passes = checked(FRONT_END, written, check, right)
        if not passes:
            wrong[written] = found
    assert not wrong


def in_pieces(text: str, size: int) -> list[tuple[str, float | None, float]]:
    feed = TextFeed(FRONT_END)
    found = [one for at in range(0, len(text), size) for one in feed.push(text[at : at + size])]
    return [(s.normalized, s.pause_after_s, s.pause_before_s) for s in found + feed.finish()]


@pytest.mark.parametrize(
    "text",
    [
        "Do this:\n1. Open it.\n2. Close it.\n\nDone. 3. Not an item.",
        'Wait here. <break time="0.5s"/> Now go on. [pause 250ms] Stop.',
        "<think>First I look. Then I see.</think>It is four. Good.",
        "[laughs] Hello there. A) Yes\nB) No",
        "It said &quot;AT&amp;T called.&quot; Then <b>we</b> left.",
    ],
)
def test_markup_reads_alike_whole_and_in_pieces(text: str) -> None:
    whole = [
        (s.normalized, s.pause_after_s, s.pause_before_s) for s in FRONT_END.process(text).sentences
    ]
    assert in_pieces(text, 1) == in_pieces(text, 7) == whole


def test_pauses_are_silence_of_their_length() -> None:
    first, last = FRONT_END.process('[pause:1.5] One. <break time="250ms"/>[pause] Two.').sentences
    assert (first.pause_before_s, first.pause_after_s) == (1.5, 0.75)
    assert last.pause_after_s is None


def test_stage_directions_are_spoken_only_if_asked_for() -> None:
    found = FRONT_END.process("[laughs] Hello.")
    assert [s.normalized for s in found.sentences] == ["hello"]
    assert found.warnings == ("not spoken: [laughs]",)
    spoken = FRONT_END.process("[laughs] Hello.", options=ReadingOptions(directions=True))
    assert spoken.sentences[0].normalized == "laughs hello"


def test_day_comes_first_for_who_writes_so() -> None:
    def said(text: str, dates: str) -> str:
        return FRONT_END.process(text, options=ReadingOptions(dates=dates)).sentences[0].normalized

    assert said("On 5/3/2024.", "usual") == "on may third twenty twenty four"
    assert said("On 5/3/2024.", "dmy") == "on march fifth twenty twenty four"
    assert said("Due on 5/3.", "dmy") == "due on march fifth"
    assert said("Add 3/4 cup.", "dmy") == said("Add 3/4 cup.", "usual")


def test_what_ssml_cant_do_is_a_warning_or_an_error() -> None:
    document = '<speak><voice name="x">Tom & <mstts:hi>Jo</mstts:hi></voice></speak>'
    found = FRONT_END.process(document)
    assert found.sentences[0].normalized == "tom and jo"
    assert [warning.split(": ")[1].split()[0] for warning in found.warnings] == [
        "<voice>",
        "<mstts:hi>",
    ]
    strict = ReadingOptions(strict_ssml=True)
    with pytest.raises(SsmlError, match="<voice>: no voice 'x' is known here"):
        FRONT_END.process(document.replace("&", "and"), options=strict)
    with pytest.raises(SsmlError, match="<mstts:hi>: is not supported"):
        FRONT_END.process("<speak><mstts:hi>Jo</mstts:hi></speak>", options=strict)
    with pytest.raises(SsmlError):
        FRONT_END.process("<speak>Not <b>closed</speak>")


def test_dlpo_is_said_letter_by_letter() -> None:
    assert {FRONT_END.process(name).sentences[0].normalized for name in ("dlpo", "DLPO")} == {
        "d l p o"
    }
