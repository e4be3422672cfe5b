"""docs/http.md: its program runs, and its table has every field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dlpo_serving.http.speech_body import FIELDS

DOCS = Path(__file__).parents[3] / "docs/http.md"


def test_the_program_speaks(door: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    here = program.replace("http://localhost:8080", door.url).replace('"lj"', '"fake"')
    assert here.count(door.url) == 1
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}

    exec(compile(here, DOCS.name, "exec"), scope)

    scope["client"].close()
    assert (tmp_path / "noise.wav").read_bytes()[:4] == b"RIFF"


def test_every_field_is_documented() -> None:
    table = DOCS.read_text(encoding="utf-8").split("## The request")[1].split("## Events")[0]

    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(FIELDS)
