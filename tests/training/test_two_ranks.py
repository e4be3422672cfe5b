"""Training in two processes, with an adversary: both end with the same weights."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.full


def test_both_processes_end_with_the_same_weights(
    two_processes: Callable[..., list[subprocess.Popen[str]]],
    tiny_checkpoint: Path,
    tiny_dataset: Path,
    tmp_path: Path,
) -> None:
    program = "tests.training.train_in_processes"
    started = two_processes(program, tiny_checkpoint, tiny_dataset, tmp_path)
    output = [process.communicate(timeout=240)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], "\n".join(output)
    first, second = (load_file(tmp_path / f"weights-{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=0)
