"""`dlpo eval` with a toy voice, its checkpoint, and a judge that only measures lengths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from dlpo.bundle import Bundle
from dlpo.cli import app
from dlpo.judges.judge import Scores, Waveform
from dlpo_bench.judging import Panel


class Patience:
    """Scores the seconds that it had to listen."""

    name = "patience"
    sample_rate_hz = 22_050

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        return np.array([len(waveform) / sample_rate_hz for waveform in waveforms])


@pytest.fixture(autouse=True)
def panel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "dlpo_bench.judging.load_panel", lambda *places: Panel([Patience()], {}, {})
    )


@pytest.fixture
def corpus(tiny_corpus: Path, tmp_path: Path) -> Path:
    """`tiny_corpus` with so much to say that even the toy voice takes its time."""
    (tmp_path / "wavs").symlink_to(tiny_corpus / "wavs")
    (tmp_path / "metadata.csv").write_text(f"LJ002-0161|Hum.|{'hum ' * 20}\n")
    return tmp_path


def run_eval(*arguments: str | Path) -> Result:
    shown = CliRunner(env={"COLUMNS": "200"})
    return shown.invoke(app, ["eval", *map(str, arguments)], catch_exceptions=False)


def test_record_has_recordings_copies_and_speech_of_every_number_of_steps(
    tiny_bundle: Path, tiny_checkpoint: Path, tiny_dataset: Path, corpus: Path, tmp_path: Path
) -> None:
    chains = ("--steps", "1", "--steps", "2", "--clips", "1", "--corpus", corpus)
    made = ("--voice", tiny_bundle, "--checkpoint", tiny_checkpoint, "--data", tiny_dataset)

    result = run_eval(*made, *chains, "--out", tmp_path)

    assert result.exit_code == 0, result.stderr
    (path,) = tmp_path.glob("*.json")
    record = json.loads(path.read_text())
    assert set(record["figures"]) == {
        "recordings",
        "copy-synthesis, 1 steps", "text-to-speech, 1 steps",
        "copy-synthesis, 2 steps", "text-to-speech, 2 steps",
    }  # fmt: skip
    assert record["bundle_sha256"] == Bundle.load(tiny_bundle).sha256


def test_copy_of_a_recording_is_as_long_as_the_recording(
    tiny_bundle: Path, tiny_checkpoint: Path, tiny_dataset: Path, corpus: Path, tmp_path: Path
) -> None:
    made = ("--voice", tiny_bundle, "--checkpoint", tiny_checkpoint, "--data", tiny_dataset)

    run_eval(*made, "--clips", "1", "--corpus", corpus, "--out", tmp_path)

    (path,) = tmp_path.glob("*.json")
    systems = json.loads(path.read_text())["figures"]
    copied, recorded = (
        systems[name]["seconds"]["value"] for name in ("copy-synthesis, 2 steps", "recordings")
    )
    assert copied == pytest.approx(recorded, abs=300 / 22_050)  # whole frames


def test_checkpoint_without_data_is_wrong_usage(tiny_bundle: Path, tiny_checkpoint: Path) -> None:
    result = run_eval("--voice", tiny_bundle, "--checkpoint", tiny_checkpoint, "--corpus", ".")

    assert result.exit_code == 2
    assert "--data" in result.stderr


def test_corpus_without_texts_is_an_error(tiny_bundle: Path, tmp_path: Path) -> None:
    result = run_eval("--voice", tiny_bundle, "--corpus", tmp_path)

    assert result.exit_code == 1
    assert "metadata.csv" in result.stderr
