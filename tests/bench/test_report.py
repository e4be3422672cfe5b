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
from dlpo_bench.report.page import make_page
from dlpo_bench.tables import Table, Target, number

ROOT = Path(__file__).resolve().parents[2]
RECORDS, PAGE = ROOT / "benchmarks" / "records", ROOT / "docs" / "benchmarks.md"
LATENCY = {"first_audio_ms_p50": 12.5, "first_audio_ms_p95": 19.25, "start_s": 0.5}


def ratio(value: float) -> dict[str, Any]:
    return {"value": value, "interval_95": [0.9 * value, 1.1 * value]}


def difference(value: float, verdict: str) -> dict[str, Any]:
    return {"from": "untuned", "value": value, "interval_95": [value - 0.1, value + 0.1],
            "p": 0.01, "sentences": 2, "verdict": verdict}  # fmt: skip


JUDGED = {
    "untuned": {"NISQA": ratio(3.0)},
    "dlpo": {
        "NISQA": ratio(3.5) | {"difference": difference(0.5, "better")},
        "word errors": ratio(0.25) | {"difference": difference(0.0, "undecided")},
    },
}


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
    folder.mkdir(exist_ok=True)
    path = folder / f"{kind}-2026010{day}.json"
    path.write_text(json.dumps(record | changed))
    return path


def shown(folder: Path, *record: Any, **more: Any) -> str:
    """The page of one record, without problems."""
    write(folder, *record, **more)
    page = make_page(folder, folder / "page.md")
    assert page.problems == []
    for svg in page.pictures.values():
        ElementTree.fromstring(svg)
    return page.text


def rtf_figures() -> dict[str, Any]:
    def row(rtf: float, **more: Any) -> dict[str, Any]:
        speedup = {"eager-1000": ratio(20 / rtf), "eager": ratio(5.0)}
        return {"rtf_min": rtf, "rtf_median": rtf, "rtf_spread": 0.0, "first_rtf": 2 * rtf,
                "speedup": {} if "timed_steps" in more else speedup, **more}  # fmt: skip

    rows = {
        "eager-1000": row(20.0, timed_steps=50),
        "cpu:fp32": row(0.04, error_db=-400.0, log_spectral_db=0.0),
        "cpu:int8": row(0.02, error_db=-25.5, log_spectral_db=0.8),
    }
    return {
        "model": "lite", "weights": "checkpoint 1234", "parameters": 9_680_000,
        "chain": {"steps": 3, "schedule": "cosine", "eta": 0.7}, "served": "cpu:int8",
        "contestants": {name: {"load_s": 0.5} for name in rows},
        "skipped": {"cuda:fp32": "no GPU", "cuda:fp16": "no GPU", "compile": "no compiler"},
        "speech": {label: {"audio_s": 5.0, "contestants": rows} for label in ("5 s", "60 s")},
        "length_costs": {"cpu:int8": {"60 s / 5 s": ratio(1.05)}},
    }  # fmt: skip


def pareto_figures() -> dict[str, Any]:
    baseline, paper = "tuned int8, 3 steps", "untuned, 1000 steps"
    common = {"rtf_least": 1.0, "rtf_mad": 0.0, "rtf_samples": 2}
    worse = {"value": 4.0, "interval_95": [3.9, 4.1], "verdict": "worse"}
    return {
        "baseline": baseline, "rtf_from": "rounds", "machine": {"other_cores": 0.25},
        "skipped": {"tuned int8, 1000 steps": "no graph"},
        "points": {
            baseline: common | {"series": "tuned int8", "steps": 3, "rtf": 0.02, "clips": 20,
                                "optimal": ["NISQA"], "heights": {"NISQA": {"value": 4.5}},
                                "times_baseline": [1.0, 0.9, 1.1]},
            paper: common | {"series": "untuned", "steps": 1000, "rtf": 20.0, "clips": 2,
                             "optimal": [], "heights": {"NISQA": worse},
                             "times_baseline": [1000.0, 900.0, 1100.0]},
        },
        "recordings": {"NISQA": 4.25},
        "judged": {paper: {"NISQA": ratio(4) | {"difference": difference(-0.5, "worse")}}},
    }  # fmt: skip


def test_the_committed_page_is_what_the_committed_records_give() -> None:
    page = make_page(RECORDS, PAGE)

    again = 'a record or the voice changed; run "dlpo bench report" and commit docs/benchmarks*'
    assert page.problems == []
    assert PAGE.read_text("utf-8") == page.text, again
    assert {path.name for path in PAGE.with_suffix("").iterdir()} == page.pictures.keys(), again


def test_a_section_names_its_record_machine_commit_and_voice(tmp_path: Path) -> None:
    machine = {"cpu": "Abacus", "cores": 10, "cpu_family": 26, "cpu_model": 2, "cpu_mhz": 4000.5}
    text = shown(tmp_path, "latency", LATENCY, machine=machine)
    assert "| first audio, 80-character sentence, p50, ms | 12.5 |" in text
    assert (
        "[latency-20260101](latency-20260101.json), 2026-01-01, Abacus, 10 cores, family 26 model"
        " 2 at 4000 MHz, commit c0ffeec0ff with changes, bundle abababababab (not the embedded"
        " voice):\n`measure latency`"
    ) in text


def test_the_newest_record_of_a_kind_is_shown_alone(tmp_path: Path) -> None:
    write(tmp_path, "latency", LATENCY | {"start_s": 7.5}, day=2)
    text = shown(tmp_path, "latency", LATENCY | {"start_s": 3.5}, {"first_audio_ms": [1.0, 2.0]})
    assert "| 7.50 |" in text
    assert "3.50" not in text


def test_load_shows_each_measurement_from_the_newest_record_that_has_it(tmp_path: Path) -> None:
    refusals = {"refusals": {"refusal_ms_p99": 7.5, "retry_info_share": 1.0}}
    write(tmp_path, "load", refusals | {"soak": {"growth": 0.5, "failed": 0}}, day=1)
    text = shown(tmp_path, "load", {"soak": {"growth": 0.03, "failed": 0}}, day=2)
    assert "| refusal when full, p99, ms | 7.50 | 20 | 5 | floor |" in text
    assert "| memory growth of the soak, share | 0.0300 | 0.05 | 0.01 | floor |" in text
    assert "refusals from load-20260101" in text


def test_quality_leaves_a_missing_measure_empty_and_has_differences(tmp_path: Path) -> None:
    text = shown(tmp_path, "quality", JUDGED, {"clips": ["a", "b"]})
    assert "| word errors |  | 25.00 % [22.50, 27.50] |" in text
    assert "| dlpo | **+0.50 [+0.40, +0.60]** |" in text


def test_pareto_leads_with_the_paper_against_the_served_voice(tmp_path: Path) -> None:
    samples = {"clips": list("abc"), "rounds": [{}, {}]}
    text = shown(tmp_path, "pareto", pareto_figures(), samples)
    assert "- costs 1,000 times as much [900, 1,100]" in text
    assert "- NISQA -0.50 [-0.60, -0.40], worse" in text
    assert r"| **tuned int8, 3 steps** | 0.0200 | 1 | 20 | 4.50 \* |" in text
    assert "| untuned, 1000 steps | 20 | 1,000 | 2 | **4.00** |" in text


def test_rtf_holds_the_served_voice_against_its_targets(tmp_path: Path) -> None:
    text = shown(tmp_path, "rtf", rtf_figures())
    assert "1000 steps, 5 s | 1,000 [900, 1,100] | 500 | 1500 | floor |" in text
    assert "60 s / 5 s of speech | 1.05 [0.945, 1.16] | 1.1 | 1.02 | floor |" in text
    assert "| eager-1000 | 20 extrapolated | 20 extrapolated |  |  |" in text
    assert "| cpu:fp32 | 0.500 | 0.0800 | equal | 0 |" in text
    assert "- cuda:fp32; cuda:fp16: no GPU\n- compile: no compiler" in text


@pytest.mark.parametrize(
    ("kind", "figures", "changed", "reason"),
    [
        ("load", {}, {"format": 2}, "format is 2; expected 1"),
        ("horoscope", {}, {}, "no section for kind 'horoscope'"),
        ("quality", {"lj": []}, {}, "not those of kind 'quality'"),
        ("load", {"nap": {"length_s": 3}}, {}, "not those of kind 'load'"),
        ("pareto", {"points": {}}, {}, "not those of kind 'pareto'"),
    ],
)
def test_a_record_that_cannot_be_shown_is_named_and_the_others_are_shown(
    tmp_path: Path, kind: str, figures: dict[str, Any], changed: dict[str, Any], reason: str
) -> None:
    write(tmp_path, "latency", LATENCY)
    (tmp_path / "notes.json").write_text("{")
    strange = write(tmp_path, kind, figures, **changed)
    page = make_page(tmp_path, tmp_path / "page.md")
    assert "## One stream" in page.text
    assert any(strange.name in p and reason in p for p in page.problems)
    assert any(p.startswith("notes.json: ") for p in page.problems)
    assert len(page.problems) == 2


def test_the_command_writes_the_page_and_replaces_its_pictures(tmp_path: Path) -> None:
    records, out = tmp_path / "records", tmp_path / "docs" / "page.md"
    write(records, "pareto", pareto_figures(), {"clips": ["a"], "rounds": []})
    write(records, "horoscope", {})
    old = out.with_suffix("") / "old.svg"
    old.parent.mkdir(parents=True)
    old.touch()
    asked = ["bench", "report", "--records", str(records), "--out", str(out)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0
    assert "horoscope-20260101.json" in done.stderr
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", out.read_text())
    assert {out.parent / name for name in pictures} == set(old.parent.iterdir())


@pytest.mark.parametrize(
    ("value", "more_is_better", "verdict"),
    [(3, True, "aim"), (2, True, "floor"), (1, True, "missed"), (1, False, "aim")],
)
def test_targets_tell_aim_from_floor(value: float, more_is_better: bool, verdict: str) -> None:
    floor, aim = (2, 3) if more_is_better else (3, 1)
    target = Target("t", floor, aim, "", more_is_better)
    assert target.row(value)[-1] == verdict


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"), (84, "84"), (-400.0, "-400"), (12.503, "12.5"), (0.018816, "0.0188"),
        (-0.00121, "-0.00121"), (489709.57, "489,710"), (5.17e-05, "5.2e-05"), (999.96, "1,000"),
    ],
)  # fmt: skip
def test_numbers_keep_three_digits(value: float, words: str) -> None:
    assert number(value) == words


def test_cells_cannot_break_a_table() -> None:
    table = Table(["a", "b"], [["x|y", "1\n2"]])
    assert table.markdown().splitlines()[-1] == r"| x\|y | 1<br>2 |"
