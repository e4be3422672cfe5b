"""What disturbed a measurement."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from dlpo_bench import noise
from dlpo_bench.noise import MachineWatch, Noise, watch_machine
from dlpo_bench.proc import tree_cpu_s

BURN = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_quiet_machine_is_nothing_to_tell() -> None:
    assert Noise(0.05, 0.0, 0.1).warnings() == []


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (Noise(1.2, 0.0, 0.0), "other processes used 1.20 cores"),
        (Noise(0.0, 0.25, 0.0), "took 25 %"),
        (Noise(0.0, 0.0, -3600.0), "jumped by -3600.0 s"),
        (Noise(None, None, 0.0), "no /proc/stat"),
    ],
)
def test_each_disturbance_is_told(seen: Noise, told: str) -> None:
    (line,) = seen.warnings()
    assert told in line


def test_what_is_not_known_is_not_in_the_figures() -> None:
    assert Noise(None, None, 0.0).figures() == {"clock_jump_s": 0.0}
    assert Noise(0.5, 0.0, 0.0).figures()["other_cores"] == 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_work_of_the_measurement_and_its_children_is_its_own() -> None:
    before = tree_cpu_s()
    subprocess.run([sys.executable, "-c", BURN], check=True)
    running = subprocess.Popen(
        [sys.executable, "-c", f"{BURN}\nprint(flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert running.stdout
    running.stdout.readline()
    burn(0.3)
    assert tree_cpu_s() - before > 0.85  # the ended, the running one, and this process
    running.communicate(b"\n")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_work_of_a_process_that_was_not_started_here_is_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(noise, "tree_cpu_s", lambda: 0.0)  # as if nothing were ours
    with watch_machine() as watch:
        subprocess.run([sys.executable, "-c", BURN], check=True)
        assert (watch.noise.other_cores or 0) > 0.05


def test_a_wall_clock_that_jumps_does_not_change_times(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = MachineWatch()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 100)
    assert watch.noise.clock_jump_s == pytest.approx(100, abs=1)


def test_what_comes_after_the_end_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    with watch_machine() as watch:
        pass
    seen = watch.noise
    burn(0.1)
    assert watch.noise == seen
