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
OTHERS = ("michael", "am_michael", "fenrir", "am_fenrir", "nova", "af_nova")
MEASURES = (
    "NISQA-TTS", "DNSMOS P.808", "NISQA", "word errors, base", "character errors, base",
    "F0 spread, st",
)  # fmt: skip


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def record_of(text: str) -> str:
    (linked,) = re.findall(r"\[record\]\(\.\./(benchmarks/records/[^)]+)\)", text)
    return str(linked)


def test_its_scores_are_rows_of_that_page_and_its_record_is_that_of_the_page() -> None:
    rows = rows_of(FIRST)
    assert len(rows) > 3
    missing = [row for row in rows if row not in MORE.splitlines()]
    assert not missing, "copy these rows from docs/more.md, which tests hold to its record"
    assert f"[quality](../{record_of(FIRST)})" in MORE


def test_the_other_voices_have_the_scores_of_their_record() -> None:
    figures = read_record(ROOT / record_of(SECOND)).figures
    shown = [re.findall(r"\d+\.\d+(?: %)?", row.partition(" | ")[2]) for row in rows_of(SECOND)[2:]]
    recorded = [
        [f"{100 * value:.1f} %" if "errors" in measure else f"{value:.2f}"
         for value in (figures[voice][measure]["value"] for voice in OTHERS)]
        for measure in MEASURES
    ]  # fmt: skip
    assert shown == recorded
