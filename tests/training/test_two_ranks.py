"""Training in two processes: the mean of their gradients, the same weights in both."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from dlpo.checkpoint import load_checkpoint
from dlpo.config.models import SpectralConfig
from dlpo_bench.machine import pinned
from tests.training import train_in_processes as program

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def two(
    two_processes: Callable[..., list[subprocess.Popen[str]]],
    tiny_checkpoint: Path,
    tiny_dataset: Path,
    tmp_path_factory: Any,
) -> Path:
    """The directory that two processes have written to."""
    out: Path = tmp_path_factory.mktemp("two")
    started = two_processes("tests.training.train_in_processes", tiny_checkpoint, tiny_dataset, out)
    output = [process.communicate(timeout=240)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], "\n".join(output)
    return out


def test_both_processes_end_with_the_same_weights(two: Path) -> None:
    first, second = (load_file(two / "all" / f"weights-{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=0)


@pytest.mark.parametrize("part", program.PARTS)
def test_gradients_are_the_mean_over_processes(
    part: str,
    two: Path,
    tiny_checkpoint: Path,
    tiny_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = load_checkpoint(tiny_checkpoint).config
    assert isinstance(config, SpectralConfig)
    alone = []
    for rank in (0, 1):
        with monkeypatch.context() as patch, pinned(1, None):  # threads, as the processes have
            patch.setattr(Accelerator, "process_index", rank)
            out = tmp_path / str(rank)
            training = program.settings(part, updates=1, adversarial_from=1)
            alone.append(program.gradients(program.train(config, training, tiny_dataset, out)))
    together = load_file(two / part / "gradients-0.safetensors")

    assert together.keys() == alone[0].keys() == alone[1].keys()
    assert any(not torch.equal(value, alone[1][name]) for name, value in alone[0].items())
    for name, value in together.items():
        mean = (alone[0][name] + alone[1][name]) / 2
        torch.testing.assert_close(value, mean, rtol=1e-4, atol=1e-6)
