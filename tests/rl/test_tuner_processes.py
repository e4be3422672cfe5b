"""Tuning in two processes: the update of one, and an error when the other is gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from dlpo.rl.methods import Explore, Guide, Objective

pytestmark = pytest.mark.full

HERE = Path(__file__).parent
LONGEST_S = 240


def two_processes(
    tuning: Any, explore: str = "chain", dies_at: int = 0
) -> list[subprocess.Popen[str]]:
    """Tune in two processes on this machine's CPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = (HERE / "conftest.py", tuning.checkpoint, tuning.data, tuning.out / "two")
    words = [sys.executable, HERE / "tune_in_processes.py", *paths, explore, dies_at]
    together = {
        "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    return [
        subprocess.Popen(
            [str(word) for word in words],
            env=os.environ | together | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


@pytest.mark.parametrize("explore", ["chain", "weights"])
def test_two_processes_do_the_updates_of_one(tuning: Any, explore: Explore) -> None:
    guide: Guide = "both" if explore == "chain" else "return"
    tuning.tuner("one", Objective("dlpo", explore, guide=guide)).run()
    for process in two_processes(tuning, explore):
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


def test_a_killed_process_is_an_error_of_the_other_and_the_state_stands(tuning: Any) -> None:
    first, second = two_processes(tuning, dies_at=5)
    _, said = first.communicate(timeout=LONGEST_S)
    second.communicate(timeout=LONGEST_S)
    assert second.returncode == -signal.SIGKILL
    assert first.returncode in (1, -signal.SIGABRT)  # torch may end who still waits for the lost
    assert "update 4: another process is gone" in said
    assert tuning.progress("two")["update"] == 3
    resumed = tuning.tuner("two", Objective("dlpo", guide="both"))
    resumed.run()
    assert resumed.update == 6
