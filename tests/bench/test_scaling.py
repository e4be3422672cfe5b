"""What longer texts cost, on a tiny voice."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from dlpo.errors import InputError
from dlpo_bench.options import ScalingOptions
from dlpo_bench.scaling import MEASURES, long_over_short, measure_scaling

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")


@pytest.mark.full
def test_each_round_speaks_each_length_in_its_own_process(tiny_bundle: Path) -> None:
    options = ScalingOptions(voice=str(tiny_bundle), rounds=2, seconds=[5, 11])
    measured = measure_scaling(options)

    by_length = measured.samples["lengths"]["stream"]
    assert {length: len(one["rtf"]) for length, one in by_length.items()} == {"5": 2, "11": 2}
    figures = measured.figures["lengths"]["stream"]
    assert figures["11"]["audio_s"] > figures["5"]["audio_s"]
    assert figures["11"]["first_audio_ms"] > 0 < figures["11"]["peak_mb"]
    assert measured.figures["ratios"] == {}  # 60 s were not spoken


def test_ratios_are_of_sixty_seconds_to_five() -> None:
    samples = {"5": {name: [1.0, 2.0, 3.0] for name in MEASURES.values()}}
    samples["60"] = {name: [2.0, 4.0, 6.0] for name in MEASURES.values()}
    assert long_over_short(samples)["peak_mb"]["value"] == 2


@pytest.mark.parametrize("changed", [{"seconds": [5]}, {"seconds": [0, 5]}, {"core": 4096}])
def test_what_can_not_be_measured_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"expected two lengths|may use"):
        measure_scaling(ScalingOptions(**changed))
