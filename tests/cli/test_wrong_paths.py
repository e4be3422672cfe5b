"""What is wrong with a command is said before torch, which takes seconds, is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import sys
from dlpo_cli import app
try:
    app(sys.argv[1:])
finally:
    print("with torch" if "torch" in sys.modules else "without torch")
"""


def run(folder: Path, *words: str, absent: str = "") -> subprocess.CompletedProcess[str]:
    """`dlpo` in a folder, on a Python that lacks a package."""
    hide = f"import sys; sys.modules[{absent!r}] = None\n" if absent else ""
    return subprocess.run(
        [sys.executable, "-c", hide + RUN, *words],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("words", "absent", "message"),
    [
        (("nowhere", "--consent", "yes"), "", "'recordings': dir 'nowhere' does not exist"),
        (
            (".", "--consent", "yes", "--init", "nowhere"),
            "",
            "'--init': path 'nowhere' does not exist",
        ),
        ((".", "--consent", " "), "", "consent is empty"),
        ((".", "--consent", "yes"), "onnxscript", "onnxscript"),
        ((".", "--consent", "yes"), "", "no recordings"),
    ],
    ids=["recordings", "checkpoint", "consent", "extra", "empty"],
)
def test_new_voice_is_refused_without_torch(
    words: tuple[str, ...], absent: str, message: str, tmp_path: Path
) -> None:
    result = run(tmp_path, "new-voice", *words, "--name", "mine", "--out", "run", absent=absent)

    assert result.returncode in (1, 2)
    assert message in result.stderr
    assert result.stdout.strip() == "without torch"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--demo", "--steps", "3", "."), "got CHECKPOINT, --steps"),
        (("--out", "run"), "CHECKPOINT, --data: missing"),
        (("nowhere", "--data", ".", "--out", "run"), "'checkpoint': dir 'nowhere' does not exist"),
    ],
    ids=["demo", "missing", "checkpoint"],
)
def test_tune_is_refused_without_torch(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    result = run(tmp_path, "tune", *words)

    assert result.returncode == 2
    assert message in result.stderr
    assert result.stdout.strip() == "without torch"
