"""`dlpo tune --reward endings` from the command line, on a voice of toy size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dlpo.checkpoint import load_checkpoint
from dlpo_cli import app

TEXTS = (
    "Is the shop still open?", "You sold the boat?", "Where did you put the key?",
    "The train leaves at eight.",
)  # fmt: skip
SHORT = (
    "updates=2", "sentences=4", "draws=4", "learned=2", "times=2", "recorded=2", "log_every=1",
    "validate_every=2", "save_every=1", "validation_endings=1",
)  # fmt: skip


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    lines = [f"T{copy:02}{i}|{text}" for copy in range(30) for i, text in enumerate(TEXTS)]
    path = tmp_path / "texts.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def tune(drawing_checkpoint: Path, tiny_dataset: Path, tmp_path: Path) -> Callable[..., Result]:
    def tune(*options: str | Path) -> Result:
        words = ["tune", drawing_checkpoint, "--data", tiny_dataset, "--out", tmp_path / "run"]
        words += [word for setting in SHORT for word in ("--set", setting)]
        return CliRunner().invoke(app, [str(word) for word in [*words, *options]])

    return tune


@pytest.mark.parametrize(("method", "named"), [("dlpo", "dlpo"), ("direct", "direct")])
def test_a_run_prints_its_checkpoint(
    method: str, named: str, tune: Callable[..., Result], texts: Path, tmp_path: Path
) -> None:
    result = tune("--reward", "endings", "--texts", texts, "--method", method, "--beta", "0.5")
    assert result.exit_code == 0, result.output
    tuned = load_checkpoint(Path(result.stdout.strip())).provenance.tuned
    assert tuned is not None
    assert (tuned.method, tuned.reward, tuned.updates) == (named, "endings", 2)
    objective = json.loads((tmp_path / "run" / "run.json").read_text())["objective"]
    assert objective["beta"] == 0.5


def test_ids_can_be_left_out(tune: Callable[..., Result], texts: Path, tmp_path: Path) -> None:
    ids = [line.partition("|")[0] for line in texts.read_text().splitlines()]
    (tmp_path / "without.txt").write_text("\n".join(name for name in ids if name != "T002"))
    result = tune("--reward", "endings", "--texts", texts, "--without", tmp_path / "without.txt")
    assert result.exit_code == 1
    assert "expected questions and statements" in result.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("options", "explained"),
    [
        ((), "give --texts FILE"),
        (("--method", "ddpo"), "--method ddpo doesn't learn from endings; expected dlpo, control"),
        (("--probe",), "--probe asks what judges prefer"),
    ],
)
def test_what_is_missing_is_explained(
    options: tuple[str, ...], explained: str, tune: Callable[..., Result], texts: Path
) -> None:
    given = ("--texts", texts) if options else ()
    result = tune("--reward", "endings", *given, *options)
    assert result.exit_code == 1
    assert explained in result.output.replace("\n", " ")


def test_pitch_learns_from_pairs_alone(tune: Callable[..., Result]) -> None:
    result = tune("--set", "part=pitch")
    assert result.exit_code == 1
    assert "give --method dpo --pairs FILE" in result.output.replace("\n", " ")
