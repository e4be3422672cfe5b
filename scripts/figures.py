#!/usr/bin/env python3
"""Writes the tables of figures in docs/ from the records that their pages link.

    scripts/figures.py        between <!-- figures: NAME --> and <!-- end of figures -->

A page says which records it shows: a link whose text is a record's name below, such as [quality].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

from dlpo_bench.record import read_record
from dlpo_serving.voices import known_voices

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("docs/more.md", "docs/model-card.md", "docs/voice.md")
BLOCK = re.compile(r"(<!-- figures: ([\w-]+) -->\n\n).*?(\n<!-- end of figures -->)", re.DOTALL)
LINK = re.compile(r"\[([\w ]+)\]\(([^)]*records/[^)]+\.json)\)")
SPEECH = ("5 s", "20 s")
NONE = "{none}"  # in a format: the last number, "none" if it is 0
SYSTEMS = ("heart", "lj", "hibari", "kokoro", "piper")
SYSTEMS_HEAD = (
    "measure", "`heart`", "`lj`", "hibari-tts 0.2.1", "Kokoro-82M, `af_heart`", "Piper, joe",
)  # fmt: skip
VOICES = sorted(known_voices(), key=lambda voice: voice == "lj")  # at the end: it has no teacher
TEACHER = "teacher"
APART_HEAD = (
    "voice", "P.835 OVRL", "PLCMOS", "P.808", "NISQA", "words wrong, points", "cosine",
)  # fmt: skip
APART = {
    "P.835 OVRL": "{:+.2f}", "PLCMOS": "{:+.2f}", "DNSMOS P.808": "{:+.2f}", "NISQA": "{:+.2f}",
    "word errors, base": "{:+.1f}",
}  # fmt: skip
SOUND_HEAD = ("voice", "harmonics to noise, dB", "bursts, dB", "comb, dB", "spread of F0")


@dataclass(frozen=True, slots=True)
class Value:
    """A number of a record."""

    record: str
    """the page's word for it"""
    path: tuple[str | int, ...]
    """keys below the record's figures"""
    scale: float = 1
    """the page's unit / the record's"""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table."""

    label: str
    cells: Sequence[tuple[str, Sequence[Value]]]
    """for each column, a format and its numbers; NONE is a count that may be 0"""


def judged(kind: str, label: str, measure: str, shown: str = "{:.2f}", scale: float = 1) -> Row:
    """A judge's mean on texts of a kind, for each system."""
    values = [Value("sound", (kind, system, measure, "value"), scale) for system in SYSTEMS]
    return Row(label, [(shown, [value]) for value in values])


def measured(label: str, shown: str, *values: Value) -> Row:
    """What was measured of a server or a process."""
    return Row(label, [(shown, values)])


def load(path: str) -> Value:
    return Value("load", tuple(path.split("/")))


def latency(name: str) -> Value:
    return Value("latency", (name,))


def takes(peer: str) -> list[Value]:
    """How many times our time a peer takes."""
    return [Value("peers", ("ratios", peer, text, "rtf", "value")) for text in SPEECH]


def speedup(baseline: str) -> Value:
    path = ("speech", "5 s", "contestants", "cpu:int8", "speedup", baseline, "value")
    return Value("rtf", path)


def streamed(peer: str) -> Value:
    return Value("peers", ("ratios", peer, "streamed", "first_ms", "value"))


def sound(kind: str) -> list[Row]:
    """What judges and a recognizer make of texts of a kind, those first that were no reward."""
    words = "word errors, base"
    return [
        *(judged(kind, f"P.835 {part}", f"P.835 {part}") for part in ("OVRL", "BAK")),
        judged(kind, "PLCMOS", "PLCMOS"),
        judged(kind, "DNSMOS P.808", "DNSMOS P.808"),
        judged(kind, "NISQA", "NISQA"),
        judged(kind, "words wrong, Whisper base", words, "{:.1f} %", 100),
        *(
            judged(kind, f"of 10,000 words {fault}", f"{words}, {fault}", "{:.0f}", 10_000)
            for fault in ("left out", "added", "repeated")
        ),
    ]


def apart(voice: str) -> Row:
    """A voice less its teacher, with 95 % intervals, and its likeness."""
    cells = []
    for measure, shown in APART.items():
        difference = ("voices", voice, voice, measure, "difference")
        scale = 100 if measure.startswith("word") else 1
        interval = [(*difference, "interval_95", end) for end in (0, 1)]
        paths = [(*difference, "value"), *interval]
        cells.append((f"{shown} [{shown}, {shown}]", [Value("teachers", p, scale) for p in paths]))
    cosine = Value("teachers", ("voices", voice, voice, "speaker cosine", "value"))
    return Row(f"`{voice}`", [*cells, ("{:.2f}", [cosine])])


def roughness(voice: str) -> Row:
    """How rough and lively a voice is, and in brackets its teacher."""
    pairs = [
        [Value("teachers", ("voices", voice, who, f"{name}_db")) for who in (voice, TEACHER)]
        for name in ("hnr", "burst", "comb_80")
    ]
    width = Value("teachers", ("voices", voice, voice, "F0 spread / teacher's"))
    return Row(f"`{voice}`", [*(("{:.1f} ({:.1f})", pair) for pair in pairs), ("{:.2f}", [width])])


COSTS = [
    measured(
        "first audio, 80-character sentence, p50 / p95",
        "{:.1f} / {:.1f} ms",
        latency("first_audio_ms_p50"),
        latency("first_audio_ms_p95"),
    ),
    measured("real-time factor of a stream", "{:.3f}", latency("stream_rtf_p50")),
    measured(
        "cold process to first audio", "{:.2f} s", Value("cold start", ("first_audio_ms",), 0.001)
    ),
    measured(
        "start to SERVING; memory", "{:.2f} s; {:.0f} MB", latency("start_s"), latency("rss_mb")
    ),
    measured(
        "Piper (joe-medium), time relative to ours, 5 s / 20 s of speech",
        "{:.1f} / {:.1f}",
        *takes("piper"),
    ),
    measured(
        "Kokoro-82M (int8), time relative to ours, 5 s / 20 s", "{:.0f} / {:.0f}", *takes("kokoro")
    ),
    measured(
        "hibari-tts, time relative to ours, 5 s / 20 s of speech",
        "{:.2f} / {:.2f}",
        *takes("hibari"),
    ),
    measured(
        "hibari-tts (whole sentences), time to first audio relative to ours, 5 s",
        "{:.1f}",
        Value("peers", ("ratios", "hibari", "5 s", "first_ms", "value")),
    ),
    measured(
        "text arriving word by word, first audio",
        "{:.0f} ms",
        Value("peers", ("contestants", "dlpo", "texts", "streamed", "first_ms_median")),
    ),
    measured(
        "the same relative to ours: hibari-tts / Piper / Kokoro",
        "{:.1f} / {:.1f} / {:.1f}",
        *map(streamed, ("hibari", "piper", "kokoro")),
    ),
    measured(
        "peak memory of streaming, 54 s of speech relative to 5 s",
        "{:.2f}",
        Value("scaling", ("ratios", "stream", "peak_mb", "value")),
    ),
]
LOAD = [
    measured(
        "concurrent real-time streams without a gap; first audio, p95",
        "{:.0f}; {:.0f} ms",
        load("streams/streams"),
        load("streams/first_audio_ms_p95"),
    ),
    measured(
        "four times that load: first audio of admitted calls, p95; gaps",
        "{:.0f} ms; " + NONE,
        load("overload/first_audio_ms_p95"),
        load("overload/underrun_calls"),
    ),
    measured("its refusals, with a retry time, p99", "{:.0f} ms", load("overload/refusal_ms_p99")),
    measured(
        "growth of resident memory from 2,000 to 20,000 calls",
        "{:+.1f} %",
        Value("soak", ("soak", "growth"), 100),
    ),
    measured(
        "speed-up over PyTorch for 5 s of speech, 1000 steps; one step",
        "{:,.0f}; {:.1f}",
        speedup("eager-1000"),
        speedup("eager"),
    ),
]
TABLES: Mapping[str, tuple[Sequence[str], Sequence[Row]]] = {
    "cost": (("measure", "measured"), COSTS),
    "load": (("measure", "measured"), LOAD),
    "everyday": (SYSTEMS_HEAD, sound("everyday")),
    "prose": (SYSTEMS_HEAD, sound("prose")),
    "voices": (APART_HEAD, [apart(voice) for voice in VOICES]),
    "roughness": (SOUND_HEAD, [roughness(voice) for voice in VOICES]),
}


def table(name: str, number: Callable[[Value], float]) -> str:
    """A table of `TABLES` in Markdown; `number` looks a value up."""
    head, rows = TABLES[name]
    lines = [tuple(head), ("---",) * len(head)]
    for row in rows:
        cells = [shown_as(shown, list(map(number, values))) for shown, values in row.cells]
        lines.append((row.label, *cells))
    return "".join(markdown_row(line) for line in lines)


def shown_as(shown: str, numbers: Sequence[float]) -> str:
    """The numbers of a cell in its format."""
    return shown.format(*numbers, none=f"{numbers[-1]:.0f}" if numbers[-1] else "none")


def markdown_row(cells: Sequence[str]) -> str:
    if set(cells) == {"---"}:
        return "|" + "---|" * len(cells) + "\n"
    return "|" + "".join(f" {cell} |" for cell in cells) + "\n"


def filled(page: str, text: str) -> str:
    """The text of a page with its tables written again, each from the records linked above it.

    Raises:
        KeyError: no record of a name is linked, or it lacks a figure.
    """

    def block(match: re.Match[str]) -> str:
        records = dict(LINK.findall(text[: match.start()]))

        def number(value: Value) -> float:
            record = read_record((ROOT / page).parent / records[value.record])
            figures: Any = record.figures
            return value.scale * float(reduce(getitem, value.path, figures))

        return match[1] + table(match[2], cache(number)) + match[3]

    return BLOCK.sub(block, text)


def main() -> None:
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(page, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
