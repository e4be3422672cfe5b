"""What the load benchmark computes from what it saw."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import grpc
import numpy as np
import pytest

from dlpo.errors import EngineError
from dlpo_bench.latency import resident_mb
from dlpo_bench.load.caller import Heard
from dlpo_bench.load.equality import Difference, difference, most_at_once, summary
from dlpo_bench.load.loaded_server import loaded_server
from dlpo_bench.load.machine import CpuTimes, cpu_use, memory_growth
from dlpo_bench.load.options import LoadOptions
from dlpo_bench.load.overload import arrival_times, measure_overload, overload_figures
from dlpo_bench.load.playback import Playback, underrun_figures
from dlpo_bench.load.soak import Manner, manner_of, portioned, portions
from dlpo_bench.load.streams import in_real_time, level_figures

REFUSED = grpc.StatusCode.RESOURCE_EXHAUSTED


def heard(
    sent_s: float, *pieces: tuple[float, float], code: grpc.StatusCode | None = None
) -> Heard:
    """A call with pieces of (arrival, length)."""
    call = Heard(sent_s, code=code)
    for piece in pieces:
        call.playback.receive(*piece)
    return call


def silent_ticks(pieces: list[tuple[int, int]]) -> int:
    """Ticks without sound between the first and the last, of a device simulated tick by tick."""
    silent = buffered = 0
    arriving = dict(pieces)
    left = sum(length for _, length in pieces)
    tick = pieces[0][0]
    while left:
        buffered += arriving.pop(tick, 0)
        if buffered:
            buffered -= 1
            left -= 1
        else:
            silent += 1
        tick += 1
    return silent


def test_gaps_are_those_of_a_device_simulated_tick_by_tick() -> None:
    random = Random(1)
    for _ in range(200):
        times = sorted(random.sample(range(100), random.randint(1, 8)))
        pieces = [(at, random.randint(1, 30)) for at in times]
        playback = Playback()
        for at, length in pieces:
            playback.receive(at, length)

        assert playback.underrun_s == silent_ticks(pieces)


def test_a_stream_in_time_has_no_gap() -> None:
    playback = Playback()
    for at_s, audio_s in ((10.0, 0.1), (10.05, 0.3), (10.4, 1.0)):
        playback.receive(at_s, audio_s)

    assert playback.gaps_s == []
    assert playback.ends_s == pytest.approx(11.4)


def test_a_gap_that_lasts_when_the_listener_leaves_counts_so_far() -> None:
    waiting, silent = Playback(), Playback()
    waiting.receive(0.0, 1.0)

    waiting.cut(1.5)
    silent.cut(1.5)

    assert waiting.gaps_s == [0.5]
    assert silent.gaps_s == []


def test_underruns_are_counted_by_stream_and_by_time() -> None:
    dry = heard(0, (0.0, 1.0), (2.0, 1.0), (3.5, 1.0)).playback  # gaps of 1 and 0.5 s
    good = heard(0, (0.0, 2.5)).playback

    figures = underrun_figures([dry, good, Playback()])

    assert figures["underrun_calls"] == 0.5
    assert figures["underrun_s"] == 1.5
    assert figures["underrun_share"] == pytest.approx(1.5 / 7)
    assert figures["gap_ms_max"] == 1000


def test_a_call_without_sound_is_as_late_as_it_was_when_the_listener_left() -> None:
    calls = [heard(0, (5, 1)), heard(10, (10.1, 1)), heard(12)]

    figures = level_figures(calls, since_s=10, left_s=20)

    assert figures["first_audio_calls"] == 2
    assert figures["first_audio_ms_p50"] == pytest.approx((100 + 8000) / 2)
    assert not in_real_time(figures)


@pytest.mark.parametrize(
    ("calls", "passes"),
    [
        ([heard(0, (0.1, 1))], True),
        ([heard(0, (0.4, 1))], False),  # sound begins late
        ([heard(0, (0.1, 1), (1.2, 1))], False),  # a gap
        ([heard(0, (0.1, 1)), heard(0, code=REFUSED)], False),
        ([heard(0, (0.1, 1)), heard(0, code=grpc.StatusCode.INTERNAL)], False),
        ([], False),
    ],
)
def test_a_level_passes_only_if_all_hear_in_time(calls: list[Heard], passes: bool) -> None:
    assert in_real_time(level_figures(calls, since_s=0, left_s=1)) is passes


def test_arrivals_are_a_poisson_process() -> None:
    times = np.array(arrival_times(50, 200, Random(3)))

    waits = np.diff(times, prepend=0)
    assert times[-1] >= 200 > times[-2]
    assert waits.mean() == pytest.approx(1 / 50, rel=0.05)
    assert waits.std() == pytest.approx(waits.mean(), rel=0.05)  # as of an exponential


def test_an_overload_is_told_by_the_admitted_and_the_refused() -> None:
    refusals = [heard(0, code=REFUSED) for _ in range(3)]
    for call, ended_s in zip(refusals, (0.001, 0.002, 0.003), strict=True):
        call.ended_s = ended_s
    refusals[0].retry_after_s = 0.5
    admitted = heard(0, (0.06, 1.0), (1.26, 1.0), code=grpc.StatusCode.OK)

    figures = overload_figures([*refusals, admitted], unloaded_ms=[20.0])

    assert figures["refused_share"] == 0.75
    assert figures["retry_info_share"] == pytest.approx(1 / 3)
    assert figures["refusal_ms_p50"] == pytest.approx(2)
    assert figures["first_audio_ratio"] == pytest.approx(3)
    assert figures["underrun_s"] == pytest.approx(0.2)
    assert figures["failed"] == 0


def test_a_call_that_never_ends_failed_the_overload() -> None:
    figures = overload_figures([heard(0, (0.1, 1))], unloaded_ms=[20.0])

    assert figures["failed"] == 1
    assert "retry_info_share" not in figures  # nobody was refused


def test_an_overload_that_admits_nobody_is_an_error() -> None:
    with pytest.raises(EngineError, match="none of 1 calls was admitted"):
        overload_figures([heard(0, code=REFUSED)], unloaded_ms=[20.0])
    with pytest.raises(EngineError, match="capacity is 0"):
        asyncio.run(measure_overload(LoadOptions(), capacity=0))


def test_memory_is_read_first_after_a_tenth_of_the_requests() -> None:
    assert next(portions(20_000)) == 2000
    for requests in (1, 7, 400, 20_000):
        assert sum(portions(requests)) == requests


def test_a_soak_by_the_clock_takes_requests_until_each_part_of_its_time_is_over() -> None:
    taken: list[str] = []  # each takes a second
    endless = ((Manner.UNARY, str(number)) for number in itertools.count())
    sizes = []
    for portion in portioned(endless, LoadOptions(minutes=10), lambda: float(len(taken))):
        before = len(taken)
        for _, text in portion:
            taken.append(text)
        sizes.append(len(taken) - before)

    assert sizes[0] == pytest.approx(60, abs=1)  # a tenth
    assert len(sizes) == 21
    assert sizes[1:] == pytest.approx([27] * 20, abs=1)


def test_growth_of_memory_is_that_of_a_leak_whatever_single_readings_say() -> None:
    random = Random(5)
    leak = [(done, 200 * (1 + 0.04 * (done - 2000) / 18_000)) for done in range(2000, 20_001, 1000)]
    scattered = [(done, memory + random.gauss(0, 0.5)) for done, memory in leak]
    scattered[0] = (2000, 230.0)  # one that lies far off

    assert memory_growth(leak) == pytest.approx(0.04)
    assert memory_growth(scattered) == pytest.approx(0.04, abs=0.005)


def test_memory_that_only_scatters_has_not_grown() -> None:
    random = Random(6)
    readings = [(done, 200 + random.gauss(0, 3)) for done in range(2000, 20_001, 1000)]

    assert memory_growth(readings) == pytest.approx(0, abs=0.02)
    assert memory_growth(readings[:1]) == 0


def test_callers_behave_in_every_manner() -> None:
    random = Random(0)

    assert {manner_of(random) for _ in range(500)} == set(Manner)


def test_processor_use_is_told_apart() -> None:
    use = cpu_use(CpuTimes(10, 5, 1, 100), CpuTimes(20, 11, 2, 115))

    assert (use.server, use.client, use.others) == pytest.approx((0.6, 0.1, 0.8))
    assert use.figures()["client_share"] == pytest.approx(0.1 / 0.7)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processor_time_of_a_process_is_what_the_system_says() -> None:
    from dlpo_bench.proc import machine_cpu_s, process_cpu_s

    before = machine_cpu_s()
    stop = time.process_time() + 0.05
    while time.process_time() < stop:
        pass

    assert process_cpu_s(os.getpid()) == pytest.approx(time.process_time(), abs=0.05)
    assert machine_cpu_s() > before


def test_audio_is_compared_bit_by_bit_and_by_its_largest_deviation() -> None:
    a = np.array([0.0, 0.5, -0.5], "<f4")
    b = np.array([0.0, 0.25, -0.5], "<f4")

    assert difference(a.tobytes(), a.tobytes()) == Difference(0, True, True)
    assert difference(a.tobytes(), b.tobytes()) == Difference(0.25, False, True)
    assert difference(a.tobytes(), a[:2].tobytes()) == Difference(0, False, False)
    assert summary([Difference(0.25, False, True), Difference(0, True, True)]) == {
        "largest": 0.25,
        "equal": 0.5,
        "other_length": 0,
    }


def test_streams_at_once_are_counted_from_acceptance_to_end() -> None:
    calls = [Heard(0, accepted_s=a, ended_s=b) for a, b in ((1, 4), (2, 3), (3, 5), (6, 7))]

    assert most_at_once(calls) == 2


def test_a_server_that_ends_while_it_is_measured_leaves_no_figures(tiny_bundle: Path) -> None:
    async def run() -> None:
        async with loaded_server(LoadOptions(voice=str(tiny_bundle))) as server:
            os.kill(server.pid, signal.SIGKILL)
            os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)

    with pytest.raises(EngineError, match="exit code -9 while it was measured"):
        asyncio.run(run())


def test_the_memory_of_a_process_that_has_ended_is_no_number() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # a zombie still
        with pytest.raises(EngineError, match="has ended"):
            resident_mb(ended.pid)
    with pytest.raises(EngineError, match="has ended"):
        resident_mb(ended.pid)
