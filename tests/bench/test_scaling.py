"""What longer texts cost, on a tiny voice."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from dlpo.errors import EngineError, InputError
from dlpo_bench.options import ScalingOptions
from dlpo_bench.scaling import in_process, length_figures, measure_scaling

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")


@pytest.mark.full
def test_every_length_is_spoken_once_a_round_in_processes_of_their_own(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpo_bench.scaling.WAYS", ("stream", "served"))

    options = ScalingOptions(voice=str(tiny_bundle), rounds=2, seconds=[5, 11])
    measured = measure_scaling(options)

    for way in ("stream", "served"):
        by_length = measured.samples["lengths"][way]
        assert {length: len(one["rtf"]) for length, one in by_length.items()} == {"5": 2, "11": 2}
    figures = measured.figures["lengths"]["stream"]
    assert figures["11"]["audio_s"] > figures["5"]["audio_s"]
    assert measured.figures["ratios"] == {}  # 60 s were not spoken


def test_a_voice_that_can_not_be_opened_ends_the_measurement(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="a process ended with 1"):
        in_process(ScalingOptions(voice=str(tmp_path / "nothing")), "stream", "One.", 0, 0)


def test_growth_is_that_of_a_line_through_the_readings() -> None:
    readings = [[2.0, 50.0], *([at, 100 + at / 10] for at in range(10, 71, 5))]  # first: warming up
    run = {"audio_s": 70.0, "wall_s": 7.0, "cpu_s": 7.0, "before_mb": 100.0, "peak_mb": 110.0}
    figures = length_figures([run | {"resident_mb": readings}])

    assert figures["rtf"] == pytest.approx(0.1)
    assert figures["grown_mb"] == pytest.approx(10)
    assert figures["growth_per_minute"] == pytest.approx(6 / 101)  # 0.1 MB a second, from 101 MB


@pytest.mark.parametrize("changed", [{"seconds": [5]}, {"seconds": [0, 5]}, {"core": 4096}])
def test_what_can_not_be_measured_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"expected two lengths|may use"):
        measure_scaling(ScalingOptions(**changed))
