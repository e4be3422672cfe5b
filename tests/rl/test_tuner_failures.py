"""What goes wrong in tuning: it is named, and the run goes on from its last good update."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlpo.errors import CheckpointError, TrainingError
from dlpo.rl.core.objective import Objective
from tests.rl.conftest import Tuning


class Moody:
    """`Loudness`, until it is asked for the n-th time."""

    name = "loudness"

    def __init__(self, judge: Any, fails_at: int, fail: Callable[[Any], Any]) -> None:
        self.judge_ = judge
        self.fails_at = fails_at
        self.fail = fail
        self.asked = 0

    def judge(self, speech: Any) -> Any:
        self.asked += 1
        return self.fail(speech) if self.asked == self.fails_at else self.judge_.judge(speech)


def crash(speech: Any) -> Any:
    raise RuntimeError("segment 3 is out of memory")


def unheard(speech: Any) -> Any:
    raise TrainingError(f"the judge gave nan for {speech.texts[0]!r}")


def test_a_run_resumes_to_the_bit_after_a_judge_failed(tuning: Tuning) -> None:
    others = [tuning.Steadiness()]
    tuning.tuner("whole", rewards=[tuning.Loudness(), *others]).run()
    for fail, message, fails_at in (
        (crash, "RuntimeError: segment 3", 4),  # after the baseline and two updates
        (unheard, "gave nan for 'Hum", 3),  # after another update and its validation
    ):
        moody = Moody(tuning.Loudness(), fails_at, fail)
        failing = tuning.tuner("parts", rewards=[moody, *others])
        with pytest.raises(TrainingError, match=message):
            failing.run()
        assert tuning.progress("parts")["update"] == failing.update > 0
    tuning.tuner("parts", rewards=[tuning.Loudness(), *others]).run()
    whole, parts = tuning.weights("whole"), tuning.weights("parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert tuning.progress("whole")["moments"] == tuning.progress("parts")["moments"]


def test_a_gradient_that_is_not_finite_is_not_stepped_on(
    tuning: Tuning, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuner = tuning.tuner()
    clip = tuner.accelerator.clip_grad_norm_

    def spoil(parameters: Any, limit: float) -> Any:
        if tuner.update == 2:
            parameters[0].grad[:] = float("nan")
        return clip(parameters, limit)

    monkeypatch.setattr(tuner.accelerator, "clip_grad_norm_", spoil)
    with pytest.raises(TrainingError, match="update 2: the gradient's norm is nan"):
        tuner.run()
    assert tuning.progress()["update"] == 2
    assert all(bool(torch.isfinite(value).all()) for value in tuning.weights().values())


def test_a_run_is_not_resumed_as_another_one(
    tuning: Tuning, base_checkpoint: Path, tiny_checkpoint: Path
) -> None:
    tuning.tuner(updates=1).run()
    for key, changes in (
        ("objective.beta", {"objective": Objective("dlpo", beta=0.5)}),
        ("steps", {"steps": 4}),
        ("rewards.steadiness", {"rewards": [tuning.Loudness()]}),
        ("model.model", {"checkpoint": base_checkpoint}),
        ("base_sha256", {"checkpoint": tiny_checkpoint}),
    ):
        with pytest.raises(TrainingError, match=f"holds a run with {key} .*; this one has"):
            tuning.tuner(**changes)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.full
# TensorBoard writes from a thread of its own, which says on stderr that it couldn't.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_full_disk_is_named_and_the_state_before_goes_on(
    tuning: Tuning, small_disk: Path, wordy_dataset: Path
) -> None:
    tuning.tuner("whole").run()
    there = type(tuning)(tuning.checkpoint, wordy_dataset, small_disk)

    def fill(update: int, figures: dict[str, float]) -> None:
        if update == 5:
            (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free))

    # Of the state, or of the best checkpoint, where that update is the best so far.
    with pytest.raises((TrainingError, CheckpointError), match="No space left"):
        there.tuner().run(fill)
    assert there.progress()["update"] == 3
    (small_disk / "filler").unlink()
    there.tuner().run()
    expected, found = tuning.weights("whole"), there.weights()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_policy_that_has_exploded_is_said(tuning: Tuning) -> None:
    tuner = tuning.tuner()
    with torch.no_grad():
        tuner.model.spectrum_out.bias[0] = float("inf")
    with pytest.raises(TrainingError, match="output is not finite"):
        tuner.run()
    assert np.isfinite(tuner.baseline.level_db)
