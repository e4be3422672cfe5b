"""CONTRIBUTING's map leads to files and functions that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STOP = re.compile(r"`([\w/]+\.py)(?::([\w.]+))?`")


def definitions(file: Path) -> set[str]:
    """Functions, classes and methods by name, such as `Tracer.to_onnx`."""
    found: set[str] = set()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, kinds):
            found.add(node.name)
            methods = (inner for inner in ast.walk(node) if isinstance(inner, kinds))
            found |= {f"{node.name}.{method.name}" for method in methods}
    return found


def test_every_stop_of_the_map_exists() -> None:
    stops = STOP.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert len(stops) > 20
    for path, name in stops:
        assert (ROOT / path).is_file(), path
        assert not name or name in definitions(ROOT / path), f"{path}:{name}"
