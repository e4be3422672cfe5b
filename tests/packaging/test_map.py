"""CONTRIBUTING's map leads to files and functions that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STOP = re.compile(r"`([\w/]+\.py)(?::([\w.]+))?`")


def test_every_stop_of_the_map_exists() -> None:
    stops = STOP.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert len(stops) > 20
    for path, name in stops:
        found: Any = ast.parse((ROOT / path).read_text("utf-8"))
        for part in filter(None, name.split(".")):  # a class and its method
            found = next((n for n in found.body if getattr(n, "name", None) == part), None)
            assert found, f"{path}:{name}"
