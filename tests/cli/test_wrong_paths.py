"""What is wrong with a command is said before torch, which takes seconds, is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NEW_VOICE = ("new-voice", "--name", "mine", "--out", "run", "--consent")
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
        ((*NEW_VOICE, "yes", "nowhere"), "", "'recordings': dir 'nowhere' does not exist"),
        ((*NEW_VOICE, "yes", ".", "--init", "nowhere"), "", "'--init': path 'nowhere' does not"),
        ((*NEW_VOICE, " ", "."), "", "consent is empty"),
        ((*NEW_VOICE, "yes", "."), "onnxscript", "onnxscript"),
        ((*NEW_VOICE, "yes", "."), "", "no recordings"),
        (("tune", "--demo", "--steps", "3", "."), "", "got CHECKPOINT, --steps"),
        (("tune", "--out", "run"), "", "CHECKPOINT, --data: missing"),
        (
            ("tune", "nowhere", "--data", ".", "--out", "run"),
            *("", "'checkpoint': dir 'nowhere' does not exist"),
        ),
    ],
    ids=["recordings", "init", "consent", "extra", "empty", "demo", "missing", "checkpoint"],
)
def test_a_mistake_is_named_without_torch(
    words: tuple[str, ...], absent: str, message: str, tmp_path: Path
) -> None:
    result = run(tmp_path, *words, absent=absent)

    assert result.returncode in ((2,) if words[0] == "tune" else (1, 2))
    assert message in result.stderr
    assert result.stdout.strip() == "without torch"
