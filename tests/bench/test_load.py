"""`dlpo bench stream` measures a real server, here one of a tiny voice and for a moment."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dlpo.cli import app
from dlpo.errors import InputError
from dlpo_bench.load.measurements import AGAINST, MEASUREMENTS, chosen, measure
from dlpo_bench.load.options import LoadOptions, read_options
from dlpo_bench.record import read_record
from dlpo_bench.report.speed import LOAD_TARGETS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
TINY = {
    "connections": 2, "calls": 2, "level_s": 0.3, "ramp_s": 0.1, "start_listeners": 1,
    "most_listeners": 1, "capacity": 1, "overload_s": 0.2, "places": 2, "refusals": 2,
    "cancels": 2, "requests": 12, "workers": 3, "others": 1, "texts": 1, "concurrent": 2,
}  # fmt: skip


def bench_stream(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bench", "stream", *map(str, arguments)])


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(set(MEASUREMENTS) - {*AGAINST, "latency"}))
def test_every_measurement_gives_the_figures_of_its_targets(name: str, tiny_bundle: Path) -> None:
    options = read_options({"voice": str(tiny_bundle)} | TINY, [])

    measured = asyncio.run(measure([name], options))[name]

    wanted = {target.figure[1] for target in LOAD_TARGETS if target.figure[0] == name}
    assert wanted
    # So small an overload may refuse nobody.
    assert wanted - set(measured.figures) <= {"retry_info_share"}
    json.dumps([measured.figures, measured.samples], allow_nan=False)  # what a record can hold


def test_a_measurement_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(InputError, match="no measurement nap; there are latency, knee"):
        chosen(["nap"], LoadOptions())


def test_an_overload_without_a_capacity_has_it_measured_first() -> None:
    assert chosen(["overload"], LoadOptions()) == ["streams", "overload"]
    assert chosen(["overload"], LoadOptions(capacity=3)) == ["overload"]


def test_what_needs_a_server_of_its_own_is_not_measured_against_another() -> None:
    options = LoadOptions(against=("localhost:1",))

    assert chosen([], options) == ["knee", "tokens"]
    with pytest.raises(InputError, match="soak can't be measured --against"):
        chosen(["soak"], options)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("nap=3", "expected NAME=NUMBER, of capacity, connections"),
        ("places=few", "expected a whole number"),
        ("places=0", "places is 0; expected more"),
        ("overload=inf", "overload is inf"),
    ],
)
def test_a_number_that_can_t_be_used_is_told(number: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_options({}, [number])


def test_a_server_that_does_not_start_is_told_and_ends_with_1(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert bench_stream("soak", "--voice", "nobody").exit_code == 1

    assert "no voice 'nobody'" in capfd.readouterr().err
    assert "soak: the server did not start" in caplog.text


@pytest.mark.full
def test_latency_and_soak_write_records_of_their_kinds(tiny_bundle: Path, tmp_path: Path) -> None:
    result = bench_stream(
        "latency", "soak", "--minutes", "0.01", "--voice", tiny_bundle, "--set", "calls=2",
        "--set", "workers=2", "--record", "--out", tmp_path,
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    records = {record.kind: record for record in map(read_record, tmp_path.iterdir())}
    assert records.keys() == {"latency", "load"}
    assert records["latency"].figures["start_s"] > 0  # where README's table looks for it
    assert "clock_jump_s" in records["latency"].figures["machine"]
    assert records["load"].figures["soak"]["requests"] > 0
    assert "dlpo bench stream" in records["load"].command
