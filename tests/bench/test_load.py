"""Servers under load: what is computed, and a real server for a moment."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, cast

import grpc
import numpy as np
import pytest

from dlpo.errors import InputError
from dlpo_bench.load.calls import (
    AudioDevice,
    TestedServer,
    TimedCall,
    parse_against,
    underrun_figures,
)
from dlpo_bench.load.capacity import AGAINST, MEASUREMENTS, chosen, measure, overload_figures
from dlpo_bench.load.endpoints import Endpoint, check_endpoint, sentences
from dlpo_bench.load.knee import KneeSearch, compare_knees, in_real_time, knee_figures, measure_knee
from dlpo_bench.load.levels import (
    Level,
    LevelResult,
    ShareResult,
    arrival_times,
    largest_passing,
    merge,
    shares,
)
from dlpo_bench.load.single import READINGS, measure_soak, measure_tokens, speak_all
from dlpo_bench.options import LoadOptions
from dlpo_bench.report.page import shown_load
from tests.callers import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

CLOSED = Level("closed", load=4, ramp_s=4.0, level_s=10.0, think_s=0.0, seed=0)
OPEN = replace(CLOSED, loop="open")
OK, UNAVAILABLE = grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE
REFUSED = grpc.StatusCode.RESOURCE_EXHAUSTED
SERVER = TestedServer("ours", "dlpo", "localhost:1", 0)
SHOWN = {  # on the benchmarks page
    "streams": {"streams"}, "soak": {"growth", "failed"},
    "overload": {"first_audio_ratio", "underrun_s", "retry_info_share", "failed"},
}  # fmt: skip
TINY: dict[str, Any] = {
    "connections": 2, "calls": 2, "level_s": 0.3, "ramp_s": 0.1,
    "start_listeners": 1, "most_listeners": 1, "capacity": 1, "overload_s": 1.0,
    "clients": 1, "minutes": 0.01, "requests": 40, "workers": 3,
}  # fmt: skip


def call(
    sent_s: float,
    *pieces: tuple[float, float],
    characters: int = 10,
    code: grpc.StatusCode | None = OK,
) -> TimedCall:
    """A call with pieces of (arrival, length)."""
    made = TimedCall(sent_s, characters, 0.001, code=code, ended_s=sent_s + 0.25)
    for piece in pieces:
        made.device.receive(*piece)
    return made


def played(
    load: float, *, good: float = 1.0, first_ms: float = 20.0, cpu: float = 0.1
) -> LevelResult:
    figures = {"load": load, "good_share": good, "first_audio_ms_p95": first_ms}
    samples = {"first_audio_ms": [first_ms, first_ms + 1, first_ms + 2]}
    return LevelResult(figures | {"client_cpu_most": cpu}, samples, 9.0)


def search_of(*levels: LevelResult, server: TestedServer = SERVER) -> KneeSearch:
    return KneeSearch(server, "closed", {one.figures["load"]: one for one in levels})


@pytest.mark.parametrize(("gap_s", "share"), [(0.09, 1.0), (0.11, 0.0)])
def test_a_short_gap_leaves_a_stream_continuous(gap_s: float, share: float) -> None:
    device = call(0, (0.0, 1.0), (1.0 + gap_s, 1.0)).device
    assert underrun_figures([device])["streaming_continuity"] == share


def test_arrivals_are_a_poisson_process() -> None:
    times = np.array(arrival_times(50, 200, Random(3)))

    waits = np.diff(times, prepend=0)
    assert times[-1] >= 200 > times[-2]
    assert waits.mean() == pytest.approx(1 / 50, rel=0.05)
    assert waits.std() == pytest.approx(waits.mean(), rel=0.05)  # as of an exponential


def test_underruns_are_counted_by_stream_and_by_time() -> None:
    dry = call(0, (0.0, 1.0), (2.0, 1.0), (3.5, 1.0)).device  # gaps of 1 and 0.5 s
    good = call(0, (0.0, 2.5)).device

    figures = underrun_figures([dry, good, AudioDevice()])

    assert figures["underrun_calls"] == 0.5
    assert figures["streaming_continuity"] == 0.5
    assert figures["underrun_s"] == 1.5
    assert figures["underrun_share"] == pytest.approx(1.5 / 7)
    assert figures["gap_ms_max"] == 1000


@pytest.mark.parametrize(
    ("calls", "passes"),
    [
        ([call(6, (6.1, 1))], True),
        ([call(6, (6.4, 1))], False),  # sound begins late
        ([call(6, (6.1, 1), (7.2, 1))], False),  # a gap
        ([call(6, (6.1, 1)), call(6, code=REFUSED)], False),
        ([call(6, (6.1, 1)), call(6, code=grpc.StatusCode.INTERNAL)], False),
        ([], False),
    ],
)
def test_streams_are_in_real_time_only_if_all_hear_all_in_time(
    calls: list[TimedCall], passes: bool
) -> None:
    result = merge(CLOSED, [ShareResult(calls)], start_s=5)
    assert in_real_time(result.figures, 300) is passes


def test_the_shares_of_a_level_are_all_of_it() -> None:
    assert sum(share.rate for share in shares(OPEN, 3)) == pytest.approx(OPEN.load)
    for load, processes in ((1, 4), (5, 2), (8, 3)):
        parts = shares(replace(CLOSED, load=load), processes)
        assert sorted(number for part in parts for number in part.listeners) == list(range(load))


def test_figures_of_a_level_are_those_of_the_calls_that_count() -> None:
    calls = [
        call(1.0, (1.5, 6.0)),  # before; still plays for 2.5 s
        call(6.0, (6.1, 2.0), (7.0, 1.0), characters=30),
        call(6.0, (6.3, 1.0), (7.5, 1.0)),  # a gap of 0.2 s
        call(7.0, code=grpc.StatusCode.RESOURCE_EXHAUSTED),
        call(7.0, code=grpc.StatusCode.INTERNAL),
        call(8.0, code=None),  # had no sound when it was given up
    ]

    found = merge(OPEN, [ShareResult(calls[:3], 0.25), ShareResult(calls[3:], 0.5)], start_s=5.0)

    figures = found.figures
    assert figures["calls"] == 5
    # An error is fast, and no first audio.
    assert found.samples["first_audio_ms"] == pytest.approx([100, 300, 250])
    assert found.samples["gap_ms"] == pytest.approx([200])
    assert figures["good_share"] == pytest.approx(30 / 70)
    assert figures["shed_share"] == figures["refusal_ms_p95"] / 250 / 5 == 1 / 5
    assert figures["failed_share"] == 2 / 5
    assert figures["goodput_audio_s_per_s"] == pytest.approx(3.0 / 10)
    assert figures["client_cpu_most"] == 0.5
    assert found.audio_s == 11


def test_goodput_counts_audio_played_within_the_level() -> None:
    calls = [
        call(1.0, (1.5, 6.0)),  # from 3.0 to 7.5
        call(6.0, (6.1, 2.0), (7.0, 1.0)),  # all of its 3 s
        call(6.0, (6.3, 1.0), (7.5, 1.0)),  # a gap
        call(12.0, (12.5, 9.0)),  # up to 14.0
    ]

    figures = merge(CLOSED, [ShareResult(calls)], start_s=3.0).figures

    assert figures["goodput_audio_s_per_s"] == pytest.approx((4.5 + 3.0 + 1.5) / 11)


@pytest.mark.parametrize(
    ("levels", "knee", "bound"),
    [
        ((played(1), played(2), played(4, good=0.98), played(8)), 2, 0),
        ((played(1), played(2)), 2, 1),  # nothing failed
        ((played(1), played(2, first_ms=900, cpu=0.95)), 1, 1),  # or perhaps the client
    ],
)
def test_knee_is_the_highest_load_below_a_failure(
    levels: tuple[LevelResult, ...], knee: int, bound: int
) -> None:
    figures = knee_figures(search_of(*levels), 300)
    assert (figures["knee"], figures["knee_is_bound"], figures["load"]) == (knee, bound, knee)


def test_servers_are_compared_at_the_highest_load_that_both_bore() -> None:
    other = replace(SERVER, name="theirs")
    ours = search_of(played(2), played(4), played(8, good=0.5))
    theirs = search_of(played(2, first_ms=60), played(4, first_ms=400), server=other)

    (ratios,) = compare_knees([ours, theirs], 300).values()

    assert (ratios["knee"], ratios["load"]) == (0.5, 2)
    assert ratios["first_audio"] == pytest.approx(61 / 21)
    assert ratios["first_audio_low"] <= 61 / 21 <= ratios["first_audio_high"]


@pytest.mark.parametrize(
    ("text", "protocol", "address"),
    [
        ("host:50051", "riva", "host:50051"),
        ("dlpo://[::1]:7", "dlpo", "[::1]:7"),
        ("http://host:8880/v1/", "openai", "http://host:8880/v1"),
        ("https://host/v1?voice=af_heart&model=kokoro", "openai", "https://host/v1"),
    ],
)
def test_a_server_to_measure_is_read_from_its_address(
    text: str, protocol: str, address: str
) -> None:
    found = parse_against(text)

    assert (found.protocol, found.address) == (protocol, address)


@pytest.mark.parametrize("text", ["host", "host:port", "ftp://h:1", "h:1?speed=2", "", "h:1?voice"])
def test_address_error_shows_a_valid_address(text: str) -> None:
    with pytest.raises(InputError, match="HOST:PORT"):
        parse_against(text)


def test_tokens_are_joined_to_sentences_as_early_as_can_be() -> None:
    async def joined() -> list[str]:
        return [one async for one in sentences(words("Yes. It is 3.5 metres, 'or so.' Bye"))]

    async def words(text: str) -> AsyncIterator[str]:
        for word in text.split():
            yield f"{word} "

    assert asyncio.run(joined()) == ["Yes. ", "It is 3.5 metres, 'or so.' ", "Bye "]


def test_overload_summary_splits_admitted_and_refused() -> None:
    refusals = [call(0, code=REFUSED) for _ in range(3)]
    for refusal, ended_s in zip(refusals, (0.001, 0.002, 0.003), strict=True):
        refusal.ended_s = ended_s
    refusals[0].retry_after_s = 0.5
    admitted, endless = call(0, (0.06, 1.0), (1.26, 1.0)), call(0, (0.06, 1.0), code=None)

    figures = overload_figures([*refusals, admitted, endless], unloaded_ms=[20.0])

    assert figures["refused_share"] == 0.6
    assert figures["retry_info_share"] == pytest.approx(1 / 3)
    assert figures["refusal_ms_p50"] == pytest.approx(2)
    assert figures["first_audio_ratio"] == pytest.approx(3)
    assert figures["underrun_s"] == pytest.approx(0.2)
    assert figures["failed"] == 1


@pytest.mark.parametrize("start", [1, 8, 100])
def test_the_search_finds_the_largest_passing_level(
    start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpo_bench.load.levels.RESOLUTION", 0.0)
    for limit in range(71):
        tried: list[int] = []

        async def passes(level: int, tried: list[int] = tried, limit: int = limit) -> bool:
            tried.append(level)
            return level <= limit

        assert asyncio.run(largest_passing(passes, start, 70)) == limit
        assert all(1 <= level <= 70 for level in tried)
        assert len(tried) == len(set(tried)) < 16


def test_measurements_are_chosen_by_name_and_by_what_they_need() -> None:
    assert chosen(LoadOptions(measurements=["overload"])) == ["streams", "overload"]
    assert chosen(LoadOptions(measurements=["overload"], capacity=3)) == ["overload"]
    assert chosen(LoadOptions(against=["localhost:1"])) == ["knee", "tokens"]
    assert chosen(LoadOptions(measurements=["all"])) == list(MEASUREMENTS)
    with pytest.raises(InputError, match="no measurement nap"):
        chosen(LoadOptions(measurements=["nap"]))
    with pytest.raises(InputError, match="chaos can't be measured --against"):
        chosen(LoadOptions(measurements=["chaos"], against=["localhost:1"]))


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(set(MEASUREMENTS) - set(AGAINST)))
def test_every_measurement_gives_the_figures_of_the_page(name: str, tiny_bundle: Path) -> None:
    options = LoadOptions(voice=str(tiny_bundle), **TINY)

    measured = asyncio.run(measure([name], options))[name]

    # So small an overload may refuse nobody.
    assert SHOWN.get(name, set()) - set(measured.figures) <= {"retry_info_share"}
    assert measured.figures.get("wrong_bits", 0) == 0  # amid chaos
    if name == "soak":
        assert (measured.figures["failed"], measured.figures["requests"]) == (0, 40)
        assert [at for at, _ in measured.samples["resident_mb"]][:: READINGS - 1] == [4, 40]
    assert shown_load({name: measured})
    json.dumps([measured.figures, measured.samples], allow_nan=False)  # what a record can hold


def test_refused_callers_of_the_soak_come_again() -> None:
    codes = [REFUSED, REFUSED, OK, UNAVAILABLE, OK]
    spoken = list[int]()
    endings = Counter[str]()

    class Busy:
        async def speak(self, text: str, seed: int, call: TimedCall) -> None:
            spoken.append(seed)
            call.code, call.retry_after_s = codes[len(spoken) - 1], 0.001
            call.device.receive(call.sent_s, 1.0)

    requests = iter([(7, "a"), (8, "b"), (9, "c")])
    asyncio.run(speak_all(cast(Endpoint, Busy()), requests, endings))
    assert spoken == [7, 7, 7, 8, 9]
    assert endings == {"refused": 2, "failed": 1}


@pytest.mark.full
def test_a_mixed_soak_is_served_by_every_api(tiny_bundle: Path) -> None:
    options = LoadOptions(voice=str(tiny_bundle), mixed=True, **{**TINY, "requests": 80})

    assert asyncio.run(measure_soak(options)).figures["failed"] == 0


@pytest.mark.full
def test_all_protocols_of_our_server_run_side_by_side(tiny_bundle: Path) -> None:
    options = LoadOptions(
        voice=str(tiny_bundle), protocol=["dlpo", "riva", "openai"], loop=["closed"], clients=2,
        listeners=[1, 2], level_s=0.2, ramp_s=0.1, replies=1, tokens_per_s=1000, connections=2,
    )  # fmt: skip
    knee, tokens = asyncio.run(measure_knee(options)), asyncio.run(measure_tokens(options))

    assert not knee.problems
    assert not knee.skipped
    assert set(knee.samples) == {"dlpo, closed", "riva, closed", "openai, closed"}
    for name, levels in knee.samples.items():
        assert set(levels) == {"1", "2"}
        for level in levels.values():
            assert level["first_audio_ms"], name
            assert level["failed_share"] == level["shed_share"] == 0
            assert level["peak_mb"] >= level["resident_mb"] > 0
    assert set(tokens.figures) == {"dlpo", "riva", "openai"}
    for figures in tokens.figures.values():
        assert figures["first_token_to_speech_ms_p50"] > 0
        assert figures["last_token_to_end_of_speech_ms_p50"] > 0


@pytest.mark.parametrize("protocol", ["dlpo", "riva", "openai"])
def test_unreachable_server_is_reported(protocol: str) -> None:
    address = f"{'http://' if protocol == 'openai' else ''}127.0.0.1:{free_port()}"
    with pytest.raises(InputError, match=r"no answer|Cannot connect"):
        asyncio.run(check_endpoint(TestedServer("x", protocol, address, 1)))
