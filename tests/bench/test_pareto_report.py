"""The section and the pictures of quality for its cost, and the command that measures it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from typer.testing import CliRunner

from dlpo.cli import app
from dlpo_bench.record import read_record, write_record
from dlpo_bench.report.fronts import log_ticks
from dlpo_bench.report.page import make_page
from dlpo_bench.report.pareto import draw

BASELINE, PAPER = "tuned int8, 3 steps", "untuned, 1000 steps"
SVG = "{http://www.w3.org/2000/svg}"


def height(value: float, verdict: str = "worse") -> dict[str, Any]:
    return {"value": value, "interval_95": [value - 0.1, value + 0.1], "verdict": verdict}


def point(series: str, steps: int, rtf: float, clips: int, **measured: Any) -> dict[str, Any]:
    return {
        "series": series, "steps": steps, "rtf": rtf, "rtf_least": rtf, "rtf_mad": 0.0,
        "rtf_samples": 2, "clips": clips, **measured,
    }  # fmt: skip


def figures(**changed: Any) -> dict[str, Any]:
    apart = {"from": BASELINE, "value": -0.5, "interval_95": [-0.75, -0.25], "p": 0.5,
             "sentences": 2, "verdict": "undecided"}  # fmt: skip
    return {
        "baseline": BASELINE,
        "rtf_from": "rounds",
        "machine": {"other_cores": 0.25},
        "skipped": {"tuned int8, 1000 steps": "no graph"},
        "points": {
            BASELINE: point("tuned int8", 3, 0.02, 20, optimal=["NISQA"],
                            heights={"NISQA": {"value": 4.5}, "word errors": {"value": 0.2}},
                            times_baseline=[1.0, 0.9, 1.1]),
            "untuned, 3 steps": point("untuned", 3, 0.08, 20, optimal=[],
                                      heights={"NISQA": height(3.75)}),
            PAPER: point("untuned", 1000, 20.0, 2, optimal=["word errors"],
                         heights={"NISQA": height(4.0, "undecided"),
                                  "word errors": height(0.125, "undecided")},
                         times_baseline=[1000.0, 900.0, 1100.0]),
        },
        "recordings": {"NISQA": 4.25},
        "judged": {PAPER: {"NISQA": {"value": 4, "interval_95": [4, 4], "difference": apart}}},
    } | changed  # fmt: skip


SAMPLES = {"clips": [f"LJ002-{i:04}" for i in range(20)], "rounds": [{}, {}]}


def page(folder: Path, **changed: Any) -> tuple[str, dict[str, str], list[str]]:
    write_record("pareto", figures(**changed), "dlpo bench quality", folder, samples=SAMPLES)
    made = make_page(folder, folder / "page.md")
    return made.text, dict(made.pictures), list(made.problems)


def test_the_section_begins_with_the_paper_beside_what_is_served(tmp_path: Path) -> None:
    text, _, problems = page(tmp_path)
    assert problems == []
    assert f"**{PAPER}** beside **{BASELINE}**, clips that both said: 2" in text
    assert "- costs 1,000 times as much [900, 1,100]" in text
    assert "- NISQA -0.50 [-0.75, -0.25], undecided" in text
    assert text.index("costs 1,000 times") < text.index("| system |")


def test_each_point_is_a_row_that_says_how_many_clips_it_said(tmp_path: Path) -> None:
    text, _, _ = page(tmp_path)
    assert rf"| **{BASELINE}** | 0.0200 | 1 | 20 | 4.50 \* | 20.0 % |" in text
    assert "| untuned, 3 steps | 0.0800 |  | 20 | **3.75** |  |" in text
    assert rf"| {PAPER} | 20 | 1,000 | 2 | 4.00 | 12.5 % \* |" in text
    assert "| recordings |  |  |  | 4.25 |  |" in text
    assert "- Skipped: tuned int8, 1000 steps: no graph" in text


def test_it_is_said_where_factors_are_from(tmp_path: Path) -> None:
    assert "2 rounds in which all points took turns; other processes used 0.25" in page(tmp_path)[0]
    making = page(tmp_path / "making", rtf_from="making", machine={})[0]
    assert "processor time while the clips were made" in making


def test_pictures_ring_the_front_and_leave_points_of_few_clips_hollow() -> None:
    by_cost = ElementTree.fromstring(draw(figures(), by_cost=True))
    circles = list(by_cost.iter(f"{SVG}circle"))
    assert sum(c.get("class") == "ring" for c in circles) == 2
    assert sum("fill" in c.get("style", "") for c in circles) == 2  # 1000 steps, both judges
    assert sum(line.get("class") == "level" for line in by_cost.iter(f"{SVG}line")) == 1
    words = [text.text for text in by_cost.iter(f"{SVG}text")]
    assert {"NISQA (higher is better)", "word errors, % (lower is better)"} <= set(words)
    by_steps = draw(figures(), by_cost=False)
    assert 'class="ring"' not in by_steps
    assert "reverse steps" in by_steps


def test_pictures_are_the_same_bytes_for_the_same_figures() -> None:
    assert draw(figures(), by_cost=True) == draw(figures(), by_cost=True)


@pytest.mark.parametrize(
    "changed", [{"points": {}}, {"points": {BASELINE: figures()["points"][BASELINE]}}]
)
def test_figures_without_an_untuned_voice_are_told(tmp_path: Path, changed: dict[str, Any]) -> None:
    write_record("latency", {"first_audio_ms_p50": 1.5}, "x", tmp_path)
    _, _, problems = page(tmp_path, **changed)
    assert ["not those of kind 'pareto'" in one for one in problems] == [True]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.5, 60, [2, 5, 10, 20, 50]),
        (0.011, 25, [0.1, 1, 10]),
        (1, 1000, [1, 10, 100, 1000]),
        (2.1, 2.2, [2.1]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_round(
    low: float, high: float, expected: list[float]
) -> None:
    assert log_ticks(low, high) == pytest.approx(expected)


@pytest.fixture
def one_thread() -> Any:
    """The command uses one thread; the tests after it get theirs back."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_the_command_goes_on_where_it_was_and_records_what_it_has(
    slow_checkpoint: Path, tiny_bundle: Path, tiny_corpus: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    asked = ["bench", "quality", "--work", "work", "--untuned", str(slow_checkpoint), "--tuned",
             str(slow_checkpoint), "--voice", str(tiny_bundle), "--corpus", str(tiny_corpus),
             "--clips", "1", "--steps", "2", "--weights", "nowhere"]  # fmt: skip
    first = CliRunner().invoke(app, [*asked, "--rounds", "0"])
    assert first.exit_code == 0, first.output
    assert "skipped: tuned int8: bundle" in first.stderr
    assert "processor time while the clips were made" in first.stdout
    heard = (tmp_path / "work" / "hearings.jsonl").read_text().splitlines()
    assert len(heard) == 3  # two voices, and the recording
    again = CliRunner().invoke(app, [*asked, "--no-hear", "--rounds", "2", "--record"])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "work" / "hearings.jsonl").read_text().splitlines() == heard
    (path,) = (tmp_path / "benchmarks" / "records").glob("pareto-*.json")
    record = read_record(path)
    assert record.figures["rtf_from"] == "rounds"
    assert [len(rtf) for rtf in record.samples["rtf"].values()] == [2, 2]
    assert "NISQA" in record.samples["left_out"]
    assert make_page(path.parent, tmp_path / "page.md").problems == []
    compared = CliRunner().invoke(app, ["bench", "compare", str(path), str(path)])
    assert "tuned, 2 steps, DistillMOS: +0.000" in compared.stdout


@pytest.mark.parametrize("given", ["1000", "x=2", "1000=0"])
def test_a_limit_of_another_form_is_refused(given: str) -> None:
    refused = CliRunner().invoke(app, ["bench", "quality", "--fewer", given])
    assert refused.exit_code == 2
    assert "is not N=CLIPS" in refused.stderr


@pytest.mark.usefixtures("one_thread")
def test_without_anything_heard_there_is_no_outcome(
    slow_checkpoint: Path, tiny_bundle: Path, tiny_corpus: Path, tmp_path: Path
) -> None:
    asked = ["--work", str(tmp_path / "work"), "--untuned", str(slow_checkpoint), "--tuned",
             str(slow_checkpoint), "--voice", str(tiny_bundle), "--corpus", str(tiny_corpus),
             "--clips", "1", "--steps", "1"]  # fmt: skip
    refused = CliRunner().invoke(app, ["bench", "quality", *asked, "--no-hear", "--rounds", "0"])
    assert refused.exit_code != 0
    assert "nobody heard" in refused.stderr
    (tmp_path / "work" / "panel.json").write_text(json.dumps({"judges": ["Solomon"]}))
    refused = CliRunner().invoke(app, ["bench", "quality", *asked])
    assert refused.exit_code == 1
    assert "was heard by others" in refused.stderr
