"""The page of benchmarks, made from records."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from dlpo.cli import app
from dlpo.errors import DataError, InputError
from dlpo_bench.record import read_record
from dlpo_bench.report.page import BUILDERS, make_page, write_page
from dlpo_bench.report.scenes import distribution, draw_scenes
from dlpo_bench.report.tables import number, table

ROOT = Path(__file__).resolve().parents[2]
RECORDS, PAGE = ROOT / "benchmarks" / "records", ROOT / "docs" / "benchmarks.md"
LATENCY = {"first_audio_ms_p50": 12.5, "first_audio_ms_p95": 19.25, "start_s": 0.5}


def write(
    folder: Path,
    kind: str,
    figures: dict[str, Any],
    samples: dict[str, Any] | None = None,
    day: int = 1,
    **changed: Any,
) -> Path:
    """A record of a made-up machine and day."""
    record = {
        "format": 1, "kind": kind, "command": f"measure {kind}",
        "utc": f"2026-01-{day:02}T00:00:00+00:00", "machine": {"cpu": "Abacus", "cores": 10},
        "software": {}, "commit": {"hash": "c0ffee" * 6, "dirty": True},
        "bundle_sha256": "ab" * 32, "figures": figures, "samples": samples or {},
    }  # fmt: skip
    path = folder / f"{kind}-2026010{day}.json"
    path.write_text(json.dumps(record | changed))
    return path


def difference(value: float, verdict: str) -> dict[str, Any]:
    return {"from": "untuned", "value": value, "interval_95": [value - 0.1, value + 0.1],
            "p": 0.01, "sentences": 2, "verdict": verdict}  # fmt: skip


JUDGED = {
    "untuned": {"NISQA": {"value": 3.0, "interval_95": [2.9, 3.1]}},
    "dlpo": {
        "NISQA": {
            "value": 3.5, "interval_95": [3.4, 3.6], "difference": difference(0.5, "better")
        },
        "word errors": {
            "value": 0.25, "interval_95": [0.2, 0.3], "difference": difference(0.0, "undecided")
        },
    },
}  # fmt: skip


def test_the_committed_page_is_what_the_committed_records_give() -> None:
    page = make_page(RECORDS, PAGE)

    again = 'a record came or went; run "dlpo bench report" and commit docs/benchmarks*'
    assert page.problems == []
    assert PAGE.read_text("utf-8") == page.text, again
    there = {path.name: path.read_text("utf-8") for path in PAGE.with_suffix("").iterdir()}
    assert there == page.pictures, again


def test_every_kind_that_was_ever_recorded_has_a_section() -> None:
    assert {json.loads(path.read_text())["kind"] for path in RECORDS.glob("*.json")} <= set(
        BUILDERS
    )


def test_links_of_the_committed_page_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGE.read_text("utf-8"))
    assert len(links) > 10
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_a_section_names_what_its_record_was_made_with(tmp_path: Path) -> None:
    assert read_record(write(tmp_path, "latency", LATENCY)).figures == LATENCY
    page = make_page(tmp_path, tmp_path / "page.md")
    assert "| first audio, 80-character sentence, p50, ms | 12.5 |" in page.text
    assert (
        "[latency-20260101](latency-20260101.json), 2026-01-01, Abacus, 10 cores,"
        " commit c0ffeec0ff with changes, bundle abababababab:\n`measure latency`"
    ) in page.text


def test_raw_samples_of_calls_are_drawn(tmp_path: Path) -> None:
    write(tmp_path, "latency", LATENCY, {"first_audio_ms": [10.0, 11.0, 15.0]})
    page = make_page(tmp_path, tmp_path / "page.md")
    assert "](page/latency-of-one-stream.svg)" in page.text
    assert "First audio, 3 calls" in page.pictures["latency-of-one-stream.svg"]


def test_the_newest_record_of_a_kind_is_shown_alone(tmp_path: Path) -> None:
    write(tmp_path, "latency", LATENCY | {"start_s": 7.5}, day=2)
    write(tmp_path, "latency", LATENCY | {"start_s": 3.5}, day=1)
    text = make_page(tmp_path, tmp_path / "page.md").text
    assert "| 7.50 |" in text
    assert "3.50" not in text


def test_measurements_of_load_come_from_the_newest_record_that_has_them(tmp_path: Path) -> None:
    refusals = {"refusals": {"refusal_ms_p99": 7.5, "retry_info_share": 1.0}}
    write(tmp_path, "load", refusals | {"soak": {"growth": 0.5, "failed": 0}}, day=1)
    write(tmp_path, "load", {"soak": {"growth": 0.03, "failed": 0}}, day=2)
    text = make_page(tmp_path, tmp_path / "page.md").text
    assert "| refusal when full, p99, ms | 7.50 | 20 | 5 | floor |" in text
    assert "| memory growth of the soak, share | 0.0300 | 0.05 | 0.01 | floor |" in text
    assert text.index("load-20260102.json") < text.index("load-20260101.json")


def test_methods_of_tuning_are_compared_and_drawn(tmp_path: Path) -> None:
    curves = {"held_out/NISQA": {"dlpo": [[0, 5], [3.0, 3.5], [2.9, 3.4], [3.1, 3.6]]}}
    figures = {"from untuned": JUDGED, "from control": JUDGED}
    write(tmp_path, "tuning-comparison", figures, {"curves": curves})
    page = make_page(tmp_path, tmp_path / "page.md")
    assert "| dlpo | **+0.50 [+0.40, +0.60]** | +0.00 % [-10.00, +10.00] |" in page.text
    assert "held_out/NISQA" in page.pictures["curves-of-tuning.svg"]


def test_a_system_without_a_measure_leaves_its_cell_empty(tmp_path: Path) -> None:
    write(tmp_path, "quality", JUDGED, {"clips": ["a", "b"]})
    page = make_page(tmp_path, tmp_path / "page.md")
    assert "| word errors |  | 25.00 % [20.00, 30.00] |" in page.text
    assert "Differences from untuned, 2 clips" in "".join(page.pictures.values())


@pytest.mark.parametrize(
    ("kind", "figures", "changed", "told"),
    [
        ("load", {}, {"format": 2}, "format is 2; expected 1"),
        ("horoscope", {}, {}, "has no section for kind 'horoscope'"),
        ("streaming", {"steps": 3}, {}, "not those of kind 'streaming'"),
        ("quality", {"lj": []}, {}, "not those of kind 'quality'"),
        ("load", {"nap": {"length_s": 3}}, {}, "not those of kind 'load'"),
        ("toy-judge", {"method": "dlpo"}, {"samples": {"curve": []}}, "kind 'toy-judge'"),
    ],
)
def test_a_record_that_cannot_be_shown_is_told_and_the_others_are_shown(
    tmp_path: Path, kind: str, figures: dict[str, Any], changed: dict[str, Any], told: str
) -> None:
    write(tmp_path, "latency", LATENCY)
    strange = write(tmp_path, kind, figures, **changed)
    page = make_page(tmp_path, tmp_path / "page.md")
    assert "## One stream" in page.text
    (problem,) = page.problems
    assert strange.name in problem
    assert told in problem
    assert f"## Left out\n\n- {problem}\n" in page.text


def test_a_file_that_is_no_record_is_told(tmp_path: Path) -> None:
    write(tmp_path, "latency", LATENCY)
    (tmp_path / "notes.json").write_text("{")
    (problem,) = make_page(tmp_path, tmp_path / "page.md").problems
    assert problem.startswith("notes.json: can't be read as a record")


def test_a_directory_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no records"):
        make_page(tmp_path, tmp_path / "page.md")
    write(tmp_path, "horoscope", {})
    with pytest.raises(DataError, match=r"no record that can be shown\n.*horoscope"):
        make_page(tmp_path, tmp_path / "page.md")


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    write(tmp_path, "latency", LATENCY)
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "page.md"
    with pytest.raises(InputError, match="can't write"):
        write_page(make_page(tmp_path, out), out)


def test_the_command_writes_page_and_pictures_and_tells_what_it_left_out(tmp_path: Path) -> None:
    records = tmp_path / "records"
    records.mkdir()
    write(records, "quality", JUDGED, {"clips": ["a"]})
    write(records, "horoscope", {})
    out = tmp_path / "docs" / "page.md"
    done = CliRunner().invoke(
        app, ["bench", "report", "--records", str(records), "--out", str(out)]
    )
    assert done.exit_code == 0
    assert "left out: horoscope-20260101.json" in done.stderr
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", out.read_text()):
        ElementTree.parse(out.parent / picture)
    assert "](../records/quality-20260101.json)" in out.read_text()


def test_a_distribution_marks_the_percentiles_that_its_samples_allow() -> None:
    many = distribution("First audio", "ms", [float(x) for x in range(101)])
    assert [note for _, note in many.notes] == ["p50: 50", "p95: 95", "p99: 99"]
    assert many.line[25] == (25.0, 25.0)
    assert [note for _, note in distribution("Few", "ms", [1.0, 2.0]).notes] == ["p50: 1.50"]
    root = ElementTree.fromstring(draw_scenes("a<b", [many, many, many]))
    assert len(root.findall(".//{*}polyline")) == 3


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"), (84, "84"), (-400.0, "-400"), (12.503, "12.5"), (0.018816, "0.0188"),
        (-0.00121, "-0.00121"), (489709.57, "489,710"), (5.17e-05, "5.2e-05"), (999.96, "1,000"),
    ],
)  # fmt: skip
def test_numbers_keep_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_cells_cannot_break_a_table() -> None:
    assert table(["a", "b"], [["x|y", "1\n2"]]).splitlines()[-1] == r"| x\|y | 1<br>2 |"
