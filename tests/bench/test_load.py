"""The load benchmark measures a real server, here one of a tiny voice and for a moment."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from dlpo_bench.load.__main__ import MEASUREMENTS, main, measure
from dlpo_bench.load.options import LoadOptions
from dlpo_bench.load.report import TARGETS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_measurement_gives_the_figures_of_its_targets(name: str, tiny_bundle: Path) -> None:
    options = LoadOptions(
        voice=str(tiny_bundle), connections=2, calls=2, level_s=0.3, ramp_s=0.1,
        start_listeners=1, most_listeners=1, capacity=1, overload_s=0.2, places=2, refusals=2,
        cancels=2, requests=12, workers=3, others=1, texts=1, concurrent=2,
    )  # fmt: skip

    measured = asyncio.run(measure([name], options))[name]

    wanted = {target.figure for target in TARGETS if target.measurement == name}
    assert wanted
    # So small an overload may refuse nobody.
    assert wanted - set(measured.figures) <= {"retry_info_share"}
    json.dumps([measured.figures, measured.samples], allow_nan=False)  # what a record can hold


def test_a_measurement_that_does_not_exist_is_told_with_those_that_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dlpo_bench.load", "latency"])

    with pytest.raises(SystemExit):
        main()

    assert "no measurement latency; there are first-audio" in capsys.readouterr().err


def test_a_server_that_does_not_start_is_told_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dlpo_bench.load", "soak", "--voice", "nobody"])

    assert main() == 1
    assert "no voice 'nobody'" in capfd.readouterr().err
