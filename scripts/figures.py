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
from pathlib import Path

from dlpo_bench.record import read_record

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("docs/more.md", "docs/model-card.md")
BLOCK = re.compile(r"(<!-- figures: ([\w-]+) -->\n\n).*?(\n<!-- end of figures -->)", re.DOTALL)
LINK = re.compile(r"\[([\w ]+)\]\(([^)]*records/[^)]+\.json)\)")
SPEECH = ("5 s", "20 s")
NONE = "{none}"  # in a format: the last number, "none" if it is 0
OURS = ("lj", "heart", "recordings", "hibari")
OURS_HEAD = ("`lj`", "`heart`", "recordings of `lj`'s speaker", "hibari-tts 0.2.1")
OTHERS = ("michael", "am_michael", "fenrir", "am_fenrir", "nova", "af_nova")
OTHERS_HEAD = ("`michael`", "teacher", "`fenrir`", "teacher", "`nova`", "teacher")


@dataclass(frozen=True, slots=True)
class Value:
    """A number of a record."""

    record: str
    """the page's word for it"""
    path: tuple[str, ...]
    """keys below the record's figures"""
    scale: float = 1
    """the page's unit / the record's"""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table."""

    label: str
    cells: Sequence[tuple[str, Sequence[Value]]]
    """for each column, a format and its numbers; NONE is a count that may be 0"""


def judged(label: str, measure: str, systems: Sequence[str], shown: str = "{:.2f}") -> Row:
    """A judge's mean for each system; a share is shown in percent."""
    scale = 100 if "%" in shown else 1
    values = [Value("quality", (system, measure, "value"), scale) for system in systems]
    return Row(label, [(shown, [value]) for value in values])


def measured(label: str, shown: str, *values: Value) -> Row:
    """What was measured of `lj`."""
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


def quality(systems: Sequence[str]) -> list[Row]:
    return [
        judged("NISQA-TTS", "NISQA-TTS", systems),
        judged("DNSMOS P.808", "DNSMOS P.808", systems),
        judged("NISQA at 22,050 Hz", "NISQA", systems),
        judged("word error rate, Whisper base", "word errors, base", systems, "{:.1f} %"),
        judged("character error rate, Whisper base", "character errors, base", systems, "{:.1f} %"),
    ]


OURS_QUALITY = [
    *quality(OURS),
    judged("speaker similarity, cosine", "speaker cosine", OURS),
]
COSTS = [
    measured(
        "first audio, 80-character sentence, p50 / p95",
        "{:.1f} / {:.1f} ms",
        latency("first_audio_ms_p50"),
        latency("first_audio_ms_p95"),
    ),
    measured("real-time factor of a stream", "{:.3f}", latency("stream_rtf_p50")),
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
        "cold process to first audio", "{:.2f} s", Value("cold start", ("first_audio_ms",), 0.001)
    ),
    measured(
        "start to SERVING; memory", "{:.2f} s; {:.0f} MB", latency("start_s"), latency("rss_mb")
    ),
    measured(
        "speed-up over PyTorch for 5 s of speech, 1000 steps; one step",
        "{:,.0f}; {:.1f}",
        speedup("eager-1000"),
        speedup("eager"),
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
        "peak memory of streaming, 65 s of speech relative to 6 s",
        "{:.2f}",
        Value("scaling", ("ratios", "stream", "peak_mb", "value")),
    ),
]
SPREAD = judged("spread of F0, semitones", "F0 spread, st", OTHERS)
TABLES: Mapping[str, tuple[Sequence[str], Sequence[Row]]] = {
    "cost": (("measured",), COSTS),
    "quality": (OURS_HEAD, OURS_QUALITY),
    "other-voices": (OTHERS_HEAD, [*quality(OTHERS), SPREAD]),
}


def table(name: str, number: Callable[[Value], float]) -> str:
    """A table of `TABLES` in Markdown; `number` looks a value up."""
    head, rows = TABLES[name]
    lines = [("measure", *head), ("---",) * (len(head) + 1)]
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
            return value.scale * float(reduce(lambda at, key: at[key], value.path, record.figures))

        return match[1] + table(match[2], cache(number)) + match[3]

    return BLOCK.sub(block, text)


def main() -> None:
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(page, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
