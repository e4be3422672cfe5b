"""Python's share of a stream: meters in the server, and what is made of their readings."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from dlpo.errors import EngineError, InputError
from dlpo_bench.roofline.places import PLACES, REST, RUNTIME, Place, owner_of
from dlpo_bench.roofline.python_share import Call, Calls, measure_python, processor_s
from dlpo_bench.roofline.watched_server import Meters

LINUX = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the clock of another process is Linux's"
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.where)
def test_every_place_is_in_the_server(place: Place) -> None:
    owner, name = owner_of(place)

    assert callable(getattr(owner, name))


def test_a_place_that_has_gone_is_told() -> None:
    with pytest.raises(EngineError, match=r"no Synthesizer\.whistle .*bring roofline/places"):
        owner_of(Place("whistles", "dlpo_serving.synthesizer", "Synthesizer.whistle"))


@pytest.fixture
def meters(tmp_path: Path) -> Meters:
    Meters.create(tmp_path / "meters")
    return Meters(tmp_path / "meters")


def test_a_place_does_not_count_what_it_calls_of_the_others(tmp_path: Path) -> None:
    Meters.create(tmp_path / "meters")
    now_s = 0.0

    def work(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    meters = Meters(tmp_path / "meters", clock=lambda: now_s)
    inner = meters.watch(1, lambda: work(4.0))

    def both() -> None:
        work(1.0)
        inner()
        inner()

    meters.watch(0, both)()

    assert meters.read()[:2] == [(1.0, 1), (8.0, 2)]


def test_a_call_that_fails_is_counted_and_its_error_passes(meters: Meters) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        meters.watch(2, fail)()

    assert meters.read()[2][1] == 1


def test_threads_do_not_lose_calls(meters: Meters) -> None:
    watched = meters.watch(3, lambda: None)
    threads = [threading.Thread(target=lambda: [watched() for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert meters.read()[3][1] == 2000


def test_another_process_reads_the_same_meters(tmp_path: Path, meters: Meters) -> None:
    meters.watch(0, lambda: None)()

    assert Meters(tmp_path / "meters").read() == meters.read()


@LINUX
def test_a_process_clock_is_its_own() -> None:
    import os
    import time

    before = time.process_time()
    read = processor_s(os.getpid())
    after = time.process_time()

    assert before <= read <= after


def call(audio_s: float, cpu_s: float, **places_s: float) -> Call:
    own = [places_s.get(place.name.rpartition(".")[2], 0.0) for place in PLACES]
    return Call(audio_s, cpu_s, tuple(own))


def test_share_is_what_the_run_time_leaves() -> None:
    calls = Calls([call(2.0, 0.1, run=0.09), call(2.0, 0.1, run=0.08), call(2.0, 0.1, run=0.06)])

    assert calls.share == pytest.approx(0.2)
    assert calls.ms_per_s()["python_ms"] == pytest.approx([5, 10, 20])
    assert calls.figures()["processor_ms_per_s"] == pytest.approx(50)


def test_places_add_up_to_all_but_the_run_time() -> None:
    calls = Calls([call(2.0, 0.1, run=0.09, read=0.004), call(2.0, 0.1, run=0.08, extend=0.002)])

    places = calls.places()

    assert sum(float(str(one["share"])) for one in places) == pytest.approx(0.15)
    assert places[0]["place"] == REST  # 0.006 + 0.018 of 0.2
    assert places[0]["share"] == pytest.approx(0.12)
    assert places[1]["where"] == "synthesizer.Synthesizer.read"
    assert RUNTIME.words not in {one["place"] for one in places}


def test_no_rounds_are_refused() -> None:
    with pytest.raises(InputError, match="rounds is 0"):
        measure_python("lj", 0)


@LINUX
def test_a_server_tells_where_its_time_goes(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpo_bench.roofline.python_share.WARM_UP_CALLS", 1)
    monkeypatch.setattr("dlpo_bench.roofline.python_share.TEXTS", {"phrase": "Yes."})

    found = measure_python(str(tiny_bundle), rounds=2)

    (calls,) = found.values()
    assert len(calls.calls) == 2
    for one in calls.calls:
        assert one.audio_s > 0
        assert 0 < one.outside_s < one.cpu_s
        assert sum(one.places_s) <= one.cpu_s
