"""The model card has the figures of docs/more.md, which are held to their record."""

from __future__ import annotations

import re
from pathlib import Path

from dlpo_bench.record import read_record

ROOT = Path(__file__).resolve().parents[2]
CARD = (ROOT / "docs/model-card.md").read_text(encoding="utf-8")
MORE = (ROOT / "docs/more.md").read_text(encoding="utf-8")
SECTION = CARD.partition("## How good it is\n")[2].partition("\n## ")[0]


FIRST, SECOND = SECTION.split("The other three beside their teachers")
OURS, BESIDE = re.findall(r"\[record\]\(\.\./((?:benchmarks|research)/records/[^)]+)\)", SECTION)
OTHERS = ("michael", "am_michael", "fenrir", "am_fenrir", "nova", "af_nova")
ERRORS = ("word errors, base", "character errors, base")
MEASURES = ("NISQA-TTS", "DNSMOS P.808", "NISQA", *ERRORS, "F0 spread, st")


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_scores_and_record_are_those_of_the_page() -> None:
    rows = rows_of(FIRST)
    assert len(rows) > 3
    missing = [row for row in rows if row not in MORE.splitlines()]
    assert not missing, "copy these rows from docs/more.md, which tests hold to its record"
    assert f"[quality](../{OURS})" in MORE


def test_the_other_voices_have_the_scores_of_their_record() -> None:
    figures = read_record(ROOT / BESIDE).figures
    shown = [re.findall(r"\d+\.\d+(?: %)?", row.partition(" | ")[2]) for row in rows_of(SECOND)[2:]]
    recorded = [
        [f"{100 * value:.1f} %" if measure in ERRORS else f"{value:.2f}"
         for value in (figures[voice][measure]["value"] for voice in OTHERS)]
        for measure in MEASURES
    ]  # fmt: skip
    assert shown == recorded
