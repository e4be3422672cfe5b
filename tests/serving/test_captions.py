"""Captions: every word once, in lines that can be read, at the times of the audio."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpo.errors import InputError
from dlpo_serving.captions import LINE, Captioner, clock
from dlpo_serving.local.say import Written, say
from dlpo_serving.request import SpeechRequest
from tests.callers import command

TEXT = (
    "Your order #42 costs $3.50, and it will arrive on Tuesday the 3rd between nine and half past"
    " twelve, unless it rains. “Really?” Yes! 🎉 " + "And so on and so forth " * 12 + "it goes."
)
HOSTILE = st.sampled_from(
    ["<b>hi</b>", "&amp;", "&", "-->", "a-->b", "--->", "<", "00:00:01.000", "\0", "\n\n7", "\x85"]
)
TIME = re.compile(r"(\d\d):(\d\d):(\d\d)[.,](\d\d\d)")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Captions of the text by their format."""
    folder = tmp_path_factory.mktemp("captions")
    written = {}
    for format in ("srt", "vtt", "json"):
        captions = folder / f"a.{format}"
        spoken = say(SpeechRequest(TEXT), out=Written(folder / "a.wav", captions=captions))
        written[format] = (folder / f"a.{format}").read_text()
    written["seconds"] = str(spoken.audio_s)
    return written


def ms(time: re.Match[str]) -> int:
    hours, minutes, seconds, rest = map(int, time.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest


@pytest.mark.parametrize("format", ["srt", "vtt"])
def test_captions_have_all_words_in_readable_lines(files: dict[str, str], format: str) -> None:
    blocks = files[format].removeprefix("WEBVTT\n\n").strip().split("\n\n")
    shown = [block.splitlines()[2 if format == "srt" else 1 :] for block in blocks]
    assert " ".join(line for lines in shown for line in lines).split() == TEXT.split()
    assert max(len(line) for lines in shown for line in lines) <= LINE
    assert max(map(len, shown)) <= 2
    times = [ms(time) for time in TIME.finditer(files[format])]
    assert times == sorted(times)
    assert times[-1] <= 1000 * float(files["seconds"]) + 1
    assert all(end - begin <= 7_000 for begin, end in zip(times[::2], times[1::2], strict=True))
    if format == "srt":
        numbers = [int(block.splitlines()[0]) for block in blocks]
        assert numbers == list(range(1, len(blocks) + 1))


def test_json_has_every_word_at_its_time(files: dict[str, str]) -> None:
    read = json.loads(files["json"])
    words = [word for caption in read["captions"] for word in caption["words"]]
    assert [word["text"] for word in words] == TEXT.split()
    assert read["audio_s"] == pytest.approx(float(files["seconds"]))
    assert words[-1]["stop_s"] <= read["audio_s"] + 1e-6
    first = TIME.search(files["srt"])
    assert first
    assert ms(first) == round(1000 * read["captions"][0]["start_s"])


def cues(written: str, format: str) -> list[tuple[str, str]]:
    """Times and text of the cues of a file, as players read them; other blocks are dropped."""
    found = []
    for block in re.split(r"\n\n+", written.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.strip("\n").split("\n")
        place = next((i for i, line in enumerate(lines) if "-->" in line), None)
        if place is None:
            continue
        shown = "\n".join(lines[place + 1 :])
        assert "-->" not in shown
        if format == "vtt":
            shown = html.unescape(re.sub("<[^>]*>", "", shown))
        found.append((lines[place], shown))
    return found


@pytest.mark.parametrize("format", ["srt", "vtt"])
@given(words=st.lists(HOSTILE | st.text(min_size=1, max_size=60), min_size=1, max_size=12))
def test_a_player_reads_what_was_written(format: str, words: list[str]) -> None:
    captioner = Captioner(format, 1000)
    timed = [(word, 500 * place, 500 * place + 400) for place, word in enumerate(words)]
    read = cues(captioner.add(timed) + captioner.end(500 * len(words)), format)
    said = "".join(words).replace("-->", "→") if format == "srt" else "".join(words)
    assert letters("".join(shown for _, shown in read)) == letters(said)
    times = [ms(time) for when, _ in read for time in TIME.finditer(when)]
    assert times == sorted(times)
    assert len(times) == 2 * len(read)
    assert times[0] == 0


def letters(text: str) -> str:
    """A text without blanks and controls."""
    return "".join(
        one
        for one in text
        if not one.isspace() and unicodedata.category(one) not in ("Cc", "Zl", "Zp")
    )


def test_a_caption_ends_with_its_sentence() -> None:
    captioner = Captioner("vtt", 1000)
    written = captioner.add([("Hi.", 0, 400), ("“Well?”", 500, 900), ("Yes", 1000, 1200)])
    assert written.count("-->") == 2
    assert captioner.end(1200).count("-->") == 1
    assert clock(3_723_456, 1000, ",") == "01:02:03,456"


def test_the_command_writes_captions(tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    told = command("say", "Hi there.", "-o", out, "--captions", tmp_path / "a.vtt")
    assert told.exit_code == 0, told.output
    assert (tmp_path / "a.vtt").read_text().startswith("WEBVTT\n\n00:00:00")
    with pytest.raises(InputError, match=r"none of \.srt, \.vtt, \.json"):
        say(SpeechRequest("Hi."), out=Written(out, captions=tmp_path / "a.txt"))
