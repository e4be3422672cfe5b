"""Tuning in two processes: the update of one, and an error when the other is gone."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable

import pytest
import torch

from dlpo.rl.core.objective import Objective
from tests.rl.conftest import Tuning

pytestmark = pytest.mark.full

LONGEST_S = 240


@pytest.fixture
def tune(
    tuning: Tuning, two_processes: Callable[..., list[subprocess.Popen[str]]]
) -> Callable[..., list[subprocess.Popen[str]]]:
    """Starts a tuning in two processes."""

    def tune(dies_at: int = 0) -> list[subprocess.Popen[str]]:
        paths = (tuning.checkpoint, tuning.data, tuning.out / "two")
        return two_processes("tests.rl.tune_in_processes", *paths, dies_at)

    return tune


def test_two_processes_do_the_updates_of_one(
    tuning: Tuning, tune: Callable[..., list[subprocess.Popen[str]]]
) -> None:
    tuning.tuner("one", Objective()).run()
    for process in tune():
        _, said = process.communicate(timeout=LONGEST_S)
        assert process.returncode == 0, said
    one, two = tuning.weights("one"), tuning.weights("two")
    assert one.keys() == two.keys()
    for name, value in one.items():
        # Six steps of Adam at 1e-3, whose division blows rounding up where a gradient is near 0.
        torch.testing.assert_close(two[name], value, rtol=0, atol=3e-4)
    before, after = tuning.progress("one"), tuning.progress("two")
    for name, moments in before["moments"].items():
        assert after["moments"][name] == pytest.approx(moments, rel=1e-3)
    reward = [line["reward"] for line in tuning.log("train", "one")]
    assert [line["reward"] for line in tuning.log("train", "two")] == pytest.approx(
        reward, abs=0.02
    )


def test_killed_process_fails_the_other_and_keeps_state(
    tuning: Tuning, tune: Callable[..., list[subprocess.Popen[str]]]
) -> None:
    first, second = tune(dies_at=5)
    _, said = first.communicate(timeout=LONGEST_S)
    second.communicate(timeout=LONGEST_S)
    assert second.returncode == -signal.SIGKILL
    assert first.returncode in (1, -signal.SIGABRT)  # torch may end who still waits for the lost
    assert "update 4: another process is gone" in said
    assert tuning.progress("two")["update"] == 3
    resumed = tuning.tuner("two", Objective())
    resumed.run()
    assert resumed.update == 6
