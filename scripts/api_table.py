"""Write the table of docs/apis.md from the records of the APIs: python scripts/api_table.py

A test fails if the page differs from them.
"""

from __future__ import annotations

import re
from pathlib import Path

from dlpo_serving.protocols.api import table_of
from dlpo_serving.protocols.apis import APIS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "apis.md"
_TABLE = re.compile(r"^(\|.*\|\n)+", re.MULTILINE)


def page(text: str) -> str:
    """The text of the page with the present table."""
    return _TABLE.sub(lambda _: f"{table_of(APIS)}\n", text, count=1)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
