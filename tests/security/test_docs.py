"""docs/security.md promises nothing without a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def test_every_test_that_the_page_names_is_there() -> None:
    named, missing = NAMED.findall(PAGE.read_text("utf-8")), []
    for file, function in named:
        (path, *_) = [p for p in (ROOT / "tests" / file, ROOT / file) if p.exists()] or [None]
        if not (path and re.search(rf"^(async )?def {function}\b", path.read_text("utf-8"), re.M)):
            missing.append(f"{file}::{function}")

    assert len(named) > 30
    assert missing == []


def test_every_row_of_the_table_names_a_test() -> None:
    _, _, rest = PAGE.read_text("utf-8").partition("## What is enforced")
    rows = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")]

    assert [row for row in rows[1:] if ".py" not in row and "---" not in row] == []
