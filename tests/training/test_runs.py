"""Every training run learns, and goes on as if it had never stopped, or refuses a damaged state."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dlpo.errors import TrainingError
from dlpo.training.contour_trainer import ContourTrainer
from dlpo.training.run import TrainingRun
from dlpo.training.run_state import LOCK, STATE, UPDATE, only_process, saved_progress
from dlpo.training.spectral_trainer import SpectralTrainer
from dlpo.training.wavegrad_trainer import WaveGradTrainer
from tests.toys import BASE, BASE_TRAINING, CONTOUR, CONTOUR_TRAINING, SPECTRAL, SPECTRAL_TRAINING

SETTINGS: dict[str, Any] = {
    "base": replace(BASE_TRAINING, mel_updates=2, mel_batch=2, mel_weight=0.1),
    "acoustics": replace(SPECTRAL_TRAINING, part="acoustics"),
    "denoiser": replace(SPECTRAL_TRAINING, part="denoiser"),
    "timing": replace(SPECTRAL_TRAINING, part="timing"),
    "contour": CONTOUR_TRAINING,
}  # fmt: skip
Start = Callable[..., TrainingRun]
HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def start(tiny_dataset: Path, tiny_checkpoint: Path) -> Start:
    """A kind, a directory and changes of its settings -> a run of six updates."""

    def start(kind: str, out: Path, **changes: Any) -> TrainingRun:
        few = {"updates": 6, "precision": "no", "validate_every": 3, "save_every": 3}
        settings, several = replace(SETTINGS[kind], **few | changes), ([tiny_dataset], [1.0])
        if kind == "base":
            return WaveGradTrainer(BASE, settings, tiny_dataset, out)
        if kind in ("acoustics", "denoiser", "timing"):
            return SpectralTrainer(replace(SPECTRAL, encoder_dropout=0.2), settings, *several, out)
        return ContourTrainer(CONTOUR, settings, *several, out, tiny_checkpoint)

    return start


@pytest.mark.parametrize(
    "kind",
    ["acoustics", "denoiser", "timing", "contour", pytest.param("base", marks=pytest.mark.full)],
)
def test_a_resumed_run_equals_one_that_never_stopped(
    kind: str, start: Start, tmp_path: Path
) -> None:
    def stop_at(stop: int) -> Callable[[int, dict[str, float]], None]:
        return lambda update, _: os.kill(os.getpid(), signal.SIGTERM) if update == stop else None

    start(kind, tmp_path / "whole").run()
    for stop in (1, 4):  # in both parts of a run that has two
        halted = start(kind, tmp_path / "parts")
        halted.run(stop_at(stop))
        assert (halted.update, halted.stop_signal) == (stop, signal.SIGTERM)
    start(kind, tmp_path / "parts").run()
    for file in ("checkpoint/model", "state/model", "state/averaged"):
        whole, parts = (
            load_file(tmp_path / run / f"{file}.safetensors") for run in ("whole", "parts")
        )
        assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.full
@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("acoustics", {"updates": 60, "learning_rate": 3e-3}),
        ("denoiser", {"updates": 60, "adversarial_from": 60, "learning_rate": 3e-3}),
        ("base", {"updates": 80, "learning_rate": 3e-3, "decay_start": 500, "decay_end": 501}),
        ("contour", {"updates": 60, "reading_updates": 0, "learning_rate": 1e-2}),
    ],
)
def test_training_lowers_the_loss(
    kind: str, changes: dict[str, Any], start: Start, tmp_path: Path
) -> None:
    losses: list[float] = []
    run = start(kind, tmp_path, validate_every=500, save_every=500, **changes)
    run.run(lambda update, figures: losses.append(figures["loss"]))
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


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
