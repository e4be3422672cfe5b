"""The command that measures quality for its cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from dlpo.cli import app
from dlpo_bench.record import read_record
from dlpo_bench.report.page import make_page


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
    assert "processor time of making the clips" in first.stdout
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
