"""Processor time and memory of processes, and what disturbed a measurement."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from random import Random

import numpy as np
import pytest

from dlpo.errors import EngineError
from dlpo_bench.machine import (
    Interference,
    interference,
    memory_growth,
    peak_mb,
    process_cpu_s,
    resident_mb,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
QUIET = np.array([10.0, 500.0, 2.0, 50.0])  # passed, busy, stolen, own


def test_own_work_does_not_count_as_interference() -> None:
    found = interference(QUIET, np.array([20.0, 520.0, 2.0, 70.0]))
    assert found == Interference(0.0, 0.0)
    assert found.warnings() == []


@pytest.mark.parametrize(
    ("end", "warning"),
    [
        ((20.0, 525.0, 2.0, 70.0), "used 0.50 cores"),
        ((20.0, 520.0, 2.0 + os.cpu_count(), 70.0), "hypervisor took 10 %"),
    ],
)
def test_each_disturbance_is_reported(end: tuple[float, ...], warning: str) -> None:
    (found,) = interference(QUIET, np.array(end)).warnings()
    assert warning in found


def test_processor_time_and_memory_are_what_the_process_used() -> None:
    stop = time.process_time() + 0.05
    while time.process_time() < stop:
        pass
    assert process_cpu_s(os.getpid()) == pytest.approx(time.process_time(), abs=0.2)
    assert 0 < resident_mb() <= peak_mb()
    with subprocess.Popen(["true"]) as ended:
        pass
    for measure in (resident_mb, peak_mb, process_cpu_s):
        with pytest.raises(EngineError, match="has ended"):
            measure(ended.pid)


def test_memory_growth_is_robust_to_single_readings() -> None:
    random = Random(5)
    leak = [(done, 200 * (1 + 0.04 * (done - 2000) / 18_000)) for done in range(2000, 20_001, 1000)]
    scattered = [(done, memory + random.gauss(0, 0.5)) for done, memory in leak]
    scattered[0] = (2000, 230.0)  # an outlier

    assert memory_growth(leak) == pytest.approx(0.04)
    assert memory_growth(scattered) == pytest.approx(0.04, abs=0.005)
    assert memory_growth(leak[:1]) == 0
