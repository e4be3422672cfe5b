"""The model card tells the figures that the README tells, which are held to their record."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CARD = (ROOT / "docs/model-card.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = CARD.partition("## How good it is\n")[2].partition("\n## ")[0]


def test_its_scores_are_rows_of_the_readme() -> None:
    rows = [line for line in SECTION.splitlines() if line.startswith("|")]

    assert len(rows) > 3
    missing = [row for row in rows if row not in README.splitlines()]
    assert not missing, "copy these rows from the README, which tests hold to its record"


def test_its_record_is_the_readme_s() -> None:
    (linked,) = re.findall(r"\[record\]\(\.\./(benchmarks/records/[^)]+)\)", SECTION)

    assert f"[quality]({linked})" in README
