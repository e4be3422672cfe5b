"""The learning curve: places of checkpoints, what is judged anew, section and picture."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from dlpo.cli import app
from dlpo.errors import CheckpointError, DataError
from dlpo.judges.judge import Scores, Waveform
from dlpo_bench.judging import Panel
from dlpo_bench.learning.points import last_stretch, length_of, place, read_list
from dlpo_bench.report.page import make_page

SVG = "{http://www.w3.org/2000/svg}"
POINT = '[[point]]\nlabel = "{}"\ncheckpoint = "{}"\nlog = "{}"\n'


def log(*rows: tuple[int, float], **more: Any) -> str:
    """Training rows of (update, seconds per update), each with a row of validation."""
    return "".join(
        json.dumps({"update": update, "split": "train", "seconds_per_update": seconds}) + "\n"
        + json.dumps({"update": update, "split": "validation"}) + "\n"
        for update, seconds in rows
    )  # fmt: skip


class Counting:
    """Scores the seconds, and counts how often it was asked."""

    name, sample_rate_hz = "DistillMOS", 22_050
    heard = 0

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        self.heard += len(waveforms)
        return np.array([len(waveform) / sample_rate_hz for waveform in waveforms])


def test_a_log_that_began_anew_counts_from_there() -> None:
    rows = last_stretch(log((100, 9.0), (200, 9.0), (100, 1.0), (200, 2.0)), "log")
    assert length_of(rows, None, "log") == (200, 300.0)


def test_a_checkpoint_beyond_the_last_row_or_before_it_is_placed_where_it_was_made() -> None:
    rows = last_stretch(log((100, 1.0), (200, 2.0)), "log")
    assert length_of(rows, 230, "log") == (230, 360.0)  # at the last pace
    assert length_of(rows, 100, "log") == (100, 100.0)
    assert length_of(rows, 9_999, "log") == (200, 300.0)  # another count: not of this log


def test_tuning_takes_the_sum_of_its_parts() -> None:
    row = {"update": 2, "split": "train", "seconds/rollout": 3.0, "seconds/learning": 4.0}
    assert length_of([row], 2, "log") == (2, 14.0)


@pytest.mark.parametrize("text", ["", "nonsense", '{"update": 1}', '{"split": "validation"}'])
def test_what_is_no_log_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"log\.jsonl: "):
        length_of(last_stretch(text, "log.jsonl"), None, "log.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected \\[\\[point\\]\\]"),
        ("point = 3", "expected \\[\\[point\\]\\]"),
        ("nonsense", "can't be read"),
        ('[[point]]\nlabel = "a"\n', "lacks the key 'checkpoint'"),
        (POINT.format("a", "c", "l") + 'afer = "b"\n', "did you mean 'after'"),
        (POINT.format("a", "c", "l") * 2, "label 'a'"),
        (POINT.format("recordings", "c", "l"), "label 'recordings'"),
        (POINT.format("a", "c", "l") + 'after = "b"\n', "after 'b'"),
    ],
)
def test_a_list_that_can_not_be_placed_is_refused(
    content: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "curve.toml"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_list(path)


def test_points_add_up_and_committed_ones_come_out_of_git(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(tmp_path))
    shutil.copytree(tiny_checkpoint, tmp_path / "first")
    (tmp_path / "log").write_text(log((100, 36.0)))
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        subprocess.run([*git, *arguments], check=True)
    shutil.rmtree(tmp_path / "first")
    (tmp_path / "log").write_text(log((50, 72.0)))
    content = POINT.format("a", "first@HEAD", "log@HEAD")
    content += POINT.format("b", tiny_checkpoint, "log") + 'after = "a"\n'
    (tmp_path / "curve.toml").write_text(content)
    monkeypatch.chdir(tmp_path)

    a, b = place(read_list(Path("curve.toml")), tmp_path / "scratch")

    assert (a.updates, a.hours) == (100, 1.0)
    assert (b.updates, b.hours, b.tuned) == (150, 2.0, False)
    assert (a.checkpoint / "model.safetensors").read_bytes() == (
        tiny_checkpoint / "model.safetensors"
    ).read_bytes()


def test_what_is_missing_is_named(tiny_checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "curve.toml"
    for checkpoint, log_name, error, message in (
        (tmp_path / "none", "x", CheckpointError, "not a checkpoint"),
        (tiny_checkpoint, tmp_path / "none", DataError, "can't be read"),
        (tiny_checkpoint, "none@HEAD", DataError, "none@HEAD"),
    ):
        path.write_text(POINT.format("a", checkpoint, log_name))
        with pytest.raises(error, match=message):
            place(read_list(path), tmp_path)


def test_the_command_hears_new_points_alone_and_the_page_draws_them(
    slow_checkpoint: Path, tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Counting()
    monkeypatch.setattr("dlpo_bench.judging.load_panel", lambda *places: Panel([judge], {}, {}))
    monkeypatch.setattr("dlpo_bench.clips.VALIDATION_SPLIT", ("LJ002-0181",))
    monkeypatch.chdir(tmp_path)
    Path("log").write_text(log((1_000, 3.6), (2_000, 3.6)))
    Path("curve.toml").write_text(
        POINT.format("first", slow_checkpoint, "log")
        + POINT.format("second", slow_checkpoint, "log")
        + 'after = "first"\n'
    )
    command = ["bench", "learning-curve", "curve.toml", "--corpus", str(tiny_corpus), "--steps"]

    done = CliRunner().invoke(app, [*command, "1", "--record"], catch_exceptions=False)

    assert done.exit_code == 0, done.stderr
    (path,) = tmp_path.glob("benchmarks/records/*.json")
    assert judge.heard == 3  # both points and the recording
    for steps, more in (("1", 0), ("2", 2)):  # the recording is the same whatever the chain
        judge.heard = 0
        CliRunner().invoke(app, [*command, steps, "--known", str(path)], catch_exceptions=False)
        assert judge.heard == more
    page = make_page(path.parent, tmp_path / "page.md")
    assert page.problems == []
    assert "| second | first | 4,000 | 4.0 | " in page.text
    root = ElementTree.fromstring(page.pictures["learning-curve.svg"])
    named = [title.text for title in root.iter(f"{SVG}title")]
    assert named.count("second") >= 2  # over updates, and over hours
    other = tmp_path / "other.json"
    other.write_text(path.read_text().replace('"kind": "learning-curve"', '"kind": "load"'))
    refused = CliRunner().invoke(app, [*command, "1", "--known", str(other)])
    assert refused.exit_code == 1
    assert "expected 'learning-curve'" in refused.stderr
