"""A training run as a record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlpo.config import WaveGrad2Config, WaveGrad2Training
from dlpo.errors import CheckpointError, DataError
from dlpo.training.wavegrad_trainer import WaveGradTrainer
from dlpo_bench.record import read_record
from dlpo_bench.report.page import make_page
from dlpo_bench.training_run import command_of, learning

TINY = WaveGrad2Config(
    encoder_channels=8,
    encoder_layers=1,
    speaker_channels=4,
    predictor_channels=4,
    conditioning_channels=8,
    up_channels=(8,) * 5,
    waveform_channels=4,
    down_channels=(8,) * 4,
)
SHORT = WaveGrad2Training(
    updates=4, batch=2, window=8, precision="no", sample_steps=0, log_every=1, validate_every=2
)


@pytest.fixture(scope="module")
def run(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run."""
    out = tmp_path_factory.mktemp("base") / "run"
    WaveGradTrainer(TINY, SHORT, tiny_dataset, out).run()
    return out


def test_a_validation_stands_beside_the_training_since_the_one_before(run: Path) -> None:
    model, figures, samples = learning(run)
    assert model == "base"
    assert figures["updates"] == 4
    assert figures["training"]["window"] == 8
    assert [line["update"] for line in samples["train"]] == [1, 2, 3, 4]
    rows = figures["learning"]
    assert [row["update"] for row in rows] == [2, 4]
    last = [line["noise"] for line in samples["train"][2:]]
    assert rows[1]["train"]["noise"] == pytest.approx(sum(last) / 2)
    assert rows[1]["validation"]["noise"] == samples["validation"][1]["noise"]
    assert set(rows[0]["train"]) == set(rows[0]["validation"]) == {"noise", "duration"}


def test_the_command_names_what_is_not_usual() -> None:
    training = {"batch": 2, "window": 256, "precision": "no"}
    assert command_of("base", training).endswith("--out RUN --set batch=2 --set precision=no")


def test_a_record_has_its_section(run: Path, tmp_path: Path) -> None:
    from dlpo_bench.training_run import main

    main(run, tmp_path / "records")
    (path,) = (tmp_path / "records").iterdir()
    record = read_record(path)
    assert record.kind == "base-training"
    assert record.command.startswith("dlpo train base --data DATA --out RUN --set updates=4")
    page = make_page(tmp_path / "records", tmp_path / "page.md")
    assert not page.problems
    noise = record.figures["learning"][1]["validation"]["noise"]
    assert "Training of the published model" in page.text
    assert f"| {noise:.3g}"[:6] in page.text


def test_what_is_no_run_is_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not a run of `dlpo train`.*expected run.json"):
        learning(tmp_path)
    for name in ("run.json", "log.jsonl"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    with pytest.raises(CheckpointError):
        learning(tmp_path)
    lines = (run / "log.jsonl").read_text().splitlines()
    train = [line for line in lines if json.loads(line)["split"] == "train"]
    (tmp_path / "log.jsonl").write_text("\n".join(train))
    with pytest.raises(DataError, match="its log has no validation figures yet"):
        learning(tmp_path)
