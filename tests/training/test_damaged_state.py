"""A damaged state of a run, or one in use, is an error that says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dlpo.errors import TrainingError
from dlpo.training.run_state import LOCK, STATE, UPDATE, only_process, saved_progress

HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"update": "x"}', '{"update"'])
def test_a_damaged_update_is_an_error_with_advice(tmp_path: Path, content: str) -> None:
    assert saved_progress(tmp_path) == {}
    (tmp_path / STATE).mkdir()
    (tmp_path / STATE / UPDATE).write_text(content)
    with pytest.raises(TrainingError, match=r"can't be resumed.*delete it"):
        saved_progress(tmp_path)


def test_two_processes_never_share_a_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        refused = pytest.raises(TrainingError, match="another process trains here")
        with refused, only_process(tmp_path):
            pass
        other.kill()
        other.wait()
    with only_process(tmp_path):
        assert (tmp_path / LOCK).exists()
