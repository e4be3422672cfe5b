"""docs/security.md promises nothing without a test that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def test_every_test_that_the_page_names_is_there() -> None:
    named = NAMED.findall(PAGE.read_text("utf-8"))
    missing = []
    for file, function in named:
        path = next(
            (root / file for root in (ROOT / "tests", ROOT) if (root / file).exists()), None
        )
        tree = ast.parse(path.read_text("utf-8")) if path else ast.Module([], [])
        functions = ast.FunctionDef | ast.AsyncFunctionDef
        found = {node.name for node in tree.body if isinstance(node, functions)}
        if path is None or (function and function not in found):
            missing.append(f"{file}::{function}")

    assert len(named) > 30
    assert missing == []


def test_every_row_of_the_table_names_a_test() -> None:
    _, _, rest = PAGE.read_text("utf-8").partition("## What is enforced")
    rows = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")]

    assert [row for row in rows[1:] if ".py" not in row and "---" not in row] == []
