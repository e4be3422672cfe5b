"""What longer texts and more streams cost, on a tiny voice."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dlpo.cli import app
from dlpo.errors import EngineError, InputError
from dlpo_bench.scaling import (
    ScalingOptions,
    length_figures,
    long_over_short,
    measure_lengths,
    measure_scaling,
    measure_streams,
    receive,
    speak_one,
    stream_figures,
    text_of,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")


def ignore(line: str) -> None:
    """What is done."""


class Piece:
    def __init__(self, samples: int) -> None:
        self.samples = [0.0] * samples


def run_of(audio_s: float, wall_s: float, peak_mb: float, **more: Any) -> dict[str, Any]:
    return {"audio_s": audio_s, "wall_s": wall_s, "before_mb": 100.0, "peak_mb": peak_mb, **more}


def options(voice: Path, **changed: Any) -> ScalingOptions:
    core = max(os.sched_getaffinity(0))
    return ScalingOptions(**{"voice": str(voice), "rounds": 2, "core": core} | changed)


def test_receiving_counts_all_samples_and_reads_memory_now_and_then() -> None:
    run = receive(lambda: [Piece(300), Piece(400), Piece(500)], 100, None)

    assert run["audio_s"] == 12
    assert [at_s for at_s, _ in run["resident_mb"]] == [3, 12]  # the second came too soon
    assert 0 < run["first_audio_ms"] <= 1000 * run["wall_s"]


def test_a_longer_text_says_the_same_sentence_more_often() -> None:
    short, long = text_of(5, 1), text_of(60, 1)

    assert long == " ".join([short] * 11)
    assert text_of(0.1, 1) == short
    assert text_of(5, 2) != short
    assert text_of(5, 5) == short


@pytest.mark.full
def test_streamed_and_whole_are_equally_long(tiny_bundle: Path) -> None:
    stream, whole = (
        speak_one(str(tiny_bundle), None, way, "One. Two. Three.", 1) for way in ("stream", "whole")
    )

    assert stream["audio_s"] == whole["audio_s"] > 0
    assert stream["first_audio_ms"] / 1000 <= stream["wall_s"]
    assert stream["resident_mb"]
    assert "first_audio_ms" not in whole
    for took in (stream, whole):
        assert took["peak_mb"] >= took["before_mb"] > 0
        assert took["cpu_s"] > 0


@pytest.mark.full
def test_every_length_is_spoken_once_a_round_in_processes_of_their_own(tiny_bundle: Path) -> None:
    measured = measure_scaling(
        options(tiny_bundle, seconds=(5, 11), ways=("stream",), streams=()), ignore
    )

    by_length = measured.samples["lengths"]["stream"]
    assert {length: len(one["rtf"]) for length, one in by_length.items()} == {"5": 2, "11": 2}
    figures = measured.figures["lengths"]["stream"]
    assert figures["11"]["audio_s"] > figures["5"]["audio_s"]
    assert measured.figures["ratios"] == {}  # 60 s were not spoken
    assert measured.figures["streams"] == {}


@pytest.mark.full
def test_a_server_is_as_fresh_as_a_process(tiny_bundle: Path) -> None:
    chosen = options(tiny_bundle, seconds=(5, 11), ways=("served",))

    runs = measure_lengths(chosen, ignore)["served"]["11"]

    assert len(runs) == 2
    for run in runs:
        assert run["audio_s"] > 0
        assert run["peak_mb"] >= run["before_mb"] > 0
        assert run["first_audio_ms"] / 1000 <= run["wall_s"]


@pytest.mark.full
def test_callers_at_once_are_all_heard_or_refused(tiny_bundle: Path) -> None:
    (runs,) = measure_streams(options(tiny_bundle, streams=(2,)), ignore).values()

    assert len(runs) == 2
    for run in runs:
        assert len(run["first_audio_ms"]) + run["refused"] == 2
        assert run["peak_mb"] >= run["before_mb"] > 0


def test_a_voice_that_can_not_be_opened_ends_the_measurement(tmp_path: Path) -> None:
    chosen = options(tmp_path / "nothing", ways=("stream",))

    with pytest.raises(EngineError, match="a process ended with 1"):
        measure_lengths(chosen, ignore)


def test_growth_is_that_of_a_line_through_the_readings() -> None:
    readings = [[2.0, 50.0], *([at, 100 + at / 10] for at in range(10, 71, 5))]  # first: warming up
    figures = length_figures([run_of(70, 7, 110, resident_mb=readings)])

    assert figures["rtf"] == pytest.approx(0.1)
    assert figures["grown_mb"] == pytest.approx(10)
    assert figures["growth_per_minute"] == pytest.approx(6 / 101)  # 0.1 MB a second, from 101 MB


def test_growth_needs_three_readings() -> None:
    assert "growth_per_minute" not in length_figures([run_of(5, 1, 110, resident_mb=[[5, 100.0]])])


def test_a_ratio_is_that_of_the_long_text_to_the_short_one() -> None:
    samples = {
        "5": {"rtf": [0.5, 0.5, 0.5], "peak_mb": [100.0, 100.0, 100.0]},
        "60": {"rtf": [0.4, 0.4, 0.4], "peak_mb": [110.0, 110.0, 110.0]},
    }

    ratios = long_over_short(samples)

    assert ratios["rtf"] == {"value": pytest.approx(0.8), "interval_95": pytest.approx([0.8, 0.8])}
    assert ratios["peak_mb"]["value"] == pytest.approx(1.1)
    assert "cpu_rtf" not in ratios  # no samples of it
    assert long_over_short({"5": samples["5"]}) == {}


def test_refused_callers_are_counted_and_their_wait_is_not_made_up() -> None:
    run = {"first_audio_ms": [], "refused": 3, "speed": 0.0, "before_mb": 1.0, "peak_mb": 2.0}

    figures = stream_figures([run])

    assert figures["refused"] == 3
    assert "first_audio_ms_p50" not in figures


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seconds": (5,)}, "two lengths or more"),
        ({"seconds": (0, 5)}, "above 0"),
        ({"streams": (0,)}, "expected 1 or more"),
        ({"rounds": 1}, "2 or more"),
    ],
)
def test_what_can_not_be_measured_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ScalingOptions(**changed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--voice", "nobody"], "no voice 'nobody'"),
        (["--core", "4096"], "core is 4096"),
        (["--seconds", "5"], "two lengths"),
    ],
)
def test_the_command_refuses_what_it_can_not_use(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["bench", "scaling", *arguments])

    assert result.exit_code != 0
    assert message in str(result.exception) + result.output
