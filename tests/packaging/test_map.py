"""CONTRIBUTING's map leads to files and functions that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STOP = re.compile(r"`([\w/]+\.py)(?::([\w.]+))?`")


def test_every_stop_of_the_map_exists() -> None:
    stops = STOP.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert len(stops) > 20
    for path, name in stops:
        code = (ROOT / path).read_text("utf-8")
        for part in filter(None, name.split(".")):  # a class and its method
            assert re.search(rf"^ *(class|(async )?def) {part}\b", code, re.M), f"{path}:{name}"
