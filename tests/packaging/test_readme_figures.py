"""The figures of docs/more.md and the README are those of the linked records, rounded."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from dlpo_bench.record import Record, read_record

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/more.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## How it sounds, what it costs\n")[2].partition("\n## ")[0]
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?|\bnone\b")
STREAMED = ("streamed", "first_ms", "value")


@dataclass(frozen=True)
class Figure:
    """Where a number of the table stands."""

    link: str
    """the page's word for the record"""
    path: Sequence[str | int]
    """keys below the record's figures"""
    scale: float = 1
    """the page's unit / the record's"""


def judged(measure: str, scale: float = 1) -> list[list[Figure]]:
    systems = ("lj", "heart", "recordings", "hibari")
    return [[Figure("quality", (system, measure, "value"), scale)] for system in systems]


def takes(peer: str, ratios: str = "ratios") -> list[Figure]:
    return [Figure("peers", [ratios, peer, text, "rtf", "value"]) for text in ("5 s", "20 s")]


def under_load(*paths: str) -> list[list[Figure]]:
    return [[Figure("load", path.split("/")) for path in paths]]


ROWS: dict[str, list[list[Figure]]] = {  # row -> for each column the numbers of its cell
    "NISQA-TTS": judged("NISQA-TTS"),
    "DNSMOS P.808": judged("DNSMOS P.808"),
    "NISQA at 22,050 Hz": judged("NISQA"),
    "word error rate, Whisper base": judged("word errors, base", 100),
    "character error rate, Whisper base": judged("character errors, base", 100),
    "speaker similarity, cosine": judged("speaker cosine"),
    "first audio, 80-character sentence, p50 / p95": [
        [Figure("latency", ["first_audio_ms_p50"]), Figure("latency", ["first_audio_ms_p95"])]
    ],
    "real-time factor of a stream": [[Figure("latency", ["stream_rtf_p50"])]],
    "concurrent real-time streams without a gap; first audio, p95": under_load(
        "streams/streams", "streams/first_audio_ms_p95"
    ),
    "four times that load: first audio of admitted calls, p95; gaps": under_load(
        "overload/first_audio_ms_p95", "overload/underrun_calls"
    ),
    "its refusals, with a retry time, p99": under_load("overload/refusal_ms_p99"),
    "growth of resident memory from 2,000 to 20,000 calls": [
        [Figure("soak", ["soak", "growth"], 100)]
    ],
    "cold process to first audio": [[Figure("cold start", ["first_audio_ms"], 0.001)]],
    "start to SERVING; memory": [[Figure("latency", ["start_s"]), Figure("latency", ["rss_mb"])]],
    "speed-up over PyTorch for 5 s of speech, 1000 steps; one step": [
        [
            Figure(
                "rtf", ["speech", "5 s", "contestants", "cpu:int8", "speedup", baseline, "value"]
            )
            for baseline in ("eager-1000", "eager")
        ]
    ],
    "Piper (joe-medium), time relative to ours, 5 s / 20 s of speech": [takes("piper")],
    "Kokoro-82M (int8), time relative to ours, 5 s / 20 s": [takes("kokoro")],
    "hibari-tts, time relative to ours, 5 s / 20 s; to our whole sentences": [
        takes("hibari") + takes("hibari", "ratios_to_whole")
    ],
    "hibari-tts (whole sentences), time to first audio relative to ours, 5 s": [
        [Figure("peers", ["ratios", "hibari", "5 s", "first_ms", "value"])]
    ],
    "first audio of text arriving word by word; hibari-tts, Piper, Kokoro relative to ours": [
        [Figure("peers", ["contestants", "dlpo", "texts", "streamed", "first_ms_median"])]
        + [Figure("peers", ["ratios", p, *STREAMED]) for p in ("hibari", "piper", "kokoro")]
    ],
    "peak memory of streaming, 65 s of speech relative to 6 s": [
        [Figure("scaling", ["ratios", "stream", "peak_mb", "value"])]
    ],
}


def linked(name: str) -> Record:
    """The record behind a link of the section; of a table in Markdown that beside it."""
    path = re.search(rf"\[{name}\]\(\.\./(benchmarks/records/[^)]+)\)", SECTION)
    assert path is not None, f"the section links no record called {name!r}"
    return read_record((ROOT / path[1]).with_suffix(".json"))


def table() -> dict[str, list[str]]:
    """Label -> cells with something in them."""
    lines = [line for line in SECTION.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == [
        "measure", "`lj`", "`heart`", "recordings of `lj`'s speaker", "hibari-tts 0.2.1",
    ]  # fmt: skip
    return {label: [cell for cell in cells if cell] for label, *cells in rows[2:]}


def shown_as(shown: str, value: float) -> bool:
    """Whether a number is the value, rounded to the digits that are shown; "none" is 0."""
    if shown == "none":
        return value == 0
    plain = shown.replace(",", "")
    decimals = len(plain.partition(".")[2])
    return abs(float(plain) - value) <= 0.5 * 10**-decimals + 1e-9


def recorded(figure: Figure) -> float:
    value: Any = reduce(lambda found, key: found[key], figure.path, linked(figure.link).figures)
    return figure.scale * float(value)


def test_every_row_is_mapped_to_a_record() -> None:
    assert list(table()) == list(ROWS)


@pytest.mark.parametrize("label", ROWS)
def test_numbers_of_a_row_come_from_the_linked_record(label: str) -> None:
    cells = table()[label]
    for cell, figures in zip(cells, ROWS[label], strict=True):
        numbers = NUMBER.findall(cell)
        assert len(numbers) == len(figures), cell
        for shown, figure in zip(numbers, figures, strict=True):
            assert shown_as(shown, recorded(figure)), f"{cell}: {recorded(figure)} is recorded"


def test_the_figures_of_the_readme_are_those_of_the_table() -> None:
    shown = re.findall(r"\*\*([\d.,]+)\*\*", README)
    assert len(shown) == 8
    assert {"4.90", "4.17", "4.6"} <= set(NUMBER.findall(README))  # of hibari
    assert len(README.split()) <= 450
    cells = {number for row in table().values() for cell in row for number in NUMBER.findall(cell)}
    assert {*shown, "4.90", "4.17", "4.6"} <= cells


def test_what_the_names_of_rows_say_is_recorded() -> None:
    soak, load = linked("soak"), linked("load")
    first, last = (soak.samples["soak"]["resident_mb"][i][0] for i in (0, -1))
    assert (first, last) == (2_000, 20_000) == (2_000, soak.figures["soak"]["requests"])
    assert load.samples["options"]["overload"] == 4
    assert load.figures["overload"]["capacity"] == load.figures["streams"]["streams"]
    assert load.figures["streams"]["underrun_calls"] == 0
    assert load.figures["overload"]["retry_info_share"] == 1


def test_what_the_text_before_the_table_says_is_recorded() -> None:
    quality = linked("quality")
    assert "one reverse step, from text alone, on the 20 test sentences" in SECTION
    assert len(quality.samples["clips"]) == 20
    shipped = json.loads((ROOT / "dlpo/voices/lj/voice.json").read_text())
    for voice in ("lj", "heart"):
        about = quality.samples["systems"][voice]["about"]
        assert (about["steps"], about["precision"]) == (1, "int8")
        ours = about["sha256"] == shipped["manifest_sha256"]
        assert ours or about["sha256"][:12] in SECTION, "the record is of another bundle"
    assert "two CPU cores" in SECTION
    for name in ("latency", "cold start", "load", "soak"):
        assert linked(name).machine["cores"] == 2
