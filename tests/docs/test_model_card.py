"""The model card has the figures of docs/more.md, which are held to their record."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CARD = (ROOT / "docs/model-card.md").read_text(encoding="utf-8")
MORE = (ROOT / "docs/more.md").read_text(encoding="utf-8")
SECTION = CARD.partition("## How good it is\n")[2].partition("\n## ")[0]


def test_its_scores_are_rows_of_that_page() -> None:
    rows = [line for line in SECTION.splitlines() if line.startswith("|")]

    assert len(rows) > 3
    missing = [row for row in rows if row not in MORE.splitlines()]
    assert not missing, "copy these rows from docs/more.md, which tests hold to its record"


def test_its_record_is_that_of_the_page() -> None:
    (linked,) = re.findall(r"\[record\]\(\.\./(benchmarks/records/[^)]+)\)", SECTION)

    assert f"[quality](../{linked})" in MORE
