"""Training a lite in two processes: the mean of their gradients, the same weights in both."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from dlpo.checkpoint import load_checkpoint
from dlpo.config import LiteConfig

pytestmark = pytest.mark.full

PROGRAM = Path(__file__).with_name("train_in_processes.py")
LONGEST_S = 240


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """What each process runs."""
    spec = importlib.util.spec_from_file_location("train_in_processes", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def two(
    tiny_checkpoint: Path, tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What two processes have written."""
    out = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = {
        "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    with ExitStack() as stack:
        processes = []
        for rank in range(2):
            command = [sys.executable, PROGRAM, tiny_checkpoint, tiny_dataset, out]
            env = os.environ | together | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            process = stack.enter_context(
                subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
            )
            stack.callback(process.kill)  # where the other one has failed
            processes.append(process)
        said = [process.communicate(timeout=LONGEST_S)[1] for process in processes]
        assert [process.returncode for process in processes] == [0, 0], "\n".join(said)
    return out


def test_both_processes_end_with_the_same_weights(two: Path) -> None:
    first, second = (load_file(two / "all" / f"weights-{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=0)


@pytest.mark.parametrize("part", ["acoustic", "denoiser"])
def test_the_gradients_are_the_mean_of_those_of_each_process_alone(
    part: str,
    two: Path,
    program: ModuleType,
    tiny_checkpoint: Path,
    tiny_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = load_checkpoint(tiny_checkpoint).config
    assert isinstance(config, LiteConfig)
    alone = []
    for rank in (0, 1):
        with monkeypatch.context() as patch:
            patch.setattr(Accelerator, "process_index", rank)
            out = tmp_path / str(rank)
            training = program.settings(1, *program.PARTS[part])
            alone.append(program.gradients(program.train(config, training, tiny_dataset, out)))
    together = load_file(two / part / "gradients-0.safetensors")

    assert together.keys() == alone[0].keys() == alone[1].keys()
    assert any(not torch.equal(value, alone[1][name]) for name, value in alone[0].items())
    for name, value in together.items():
        mean = (alone[0][name] + alone[1][name]) / 2
        torch.testing.assert_close(value, mean, rtol=1e-4, atol=1e-6)
