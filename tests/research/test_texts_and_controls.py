"""Texts of other kinds, speed and pitch: what is measured of them, and the records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dlpo.cli import app
from dlpo.judges.judge import Waveform
from dlpo.judges.word_errors import words_of
from dlpo.text import TextFrontEnd
from dlpo_bench.judging import WORD_ERRORS, JudgePanel
from dlpo_bench.record import read_record
from dlpo_bench.tables import markdown
from research import controls, texts
from research.controls import LEVEL, RATIO, SHIFT, STRETCH
from tests.toys import ToyJudge

RATE = 22_050  # Hz


def hum(seconds: float, hertz: float | np.ndarray = 150.0, amplitude: float = 0.1) -> Waveform:
    """A voice-like sound without beginning or end."""
    phase = np.cumsum(np.broadcast_to(2 * np.pi * hertz / RATE, round(seconds * RATE)))
    return (amplitude * sum(np.cos(k * phase) / k for k in range(1, 12))).astype(np.float32)


def test_the_front_end_reads_the_sixty_texts_as_a_person_would() -> None:
    found = texts.read_texts()
    front_end = TextFrontEnd()
    assert len(found) == len({text.name for text in found}) == 60
    for text in found:
        read = " ".join(s.normalized for s in front_end.process(text.text).sentences)
        assert words_of(read) == words_of(text.words), text.name


def test_records_of_texts_are_shown_and_compared(
    slow_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parrot = ToyJudge(words=lambda waveform: "to hums")
    panel = JudgePanel([ToyJudge()], {WORD_ERRORS: parrot}, {"NISQA": "no weights"})
    monkeypatch.setattr(texts, "load_panel", lambda *places: panel)
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "texts.tsv"
    own.write_text("number\t2 hums.\ttwo hums\nyes-no question\tIs it a hum? Hum.\n")
    texts.main([f"toy={slow_checkpoint}"], texts_file=own, record=True)
    (path,) = tmp_path.glob("research/records/texts-*.json")
    record = read_record(path)
    toy = record.figures["systems"]["toy"]
    assert toy["number"][WORD_ERRORS]["value"] == 0  # "to" sounds like "two"
    assert toy["yes-no question"][WORD_ERRORS]["value"] == 1  # five words, none right but a few
    assert record.samples["clips"] == ["number-01", "yes-no-question-01"]
    assert "| yes-no question | 1 |" in markdown(texts.texts_blocks(record.figures))
    same = CliRunner().invoke(app, ["bench", "compare", str(path), str(path)])
    assert "toy, word errors, added: +0.000" in same.stdout


def test_records_of_controls_are_shown(
    slow_checkpoint: Path, tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [controls.NEUTRAL, controls.Setting(speed=2.0), controls.Setting(pitch_semitones=6.0)]
    judge = ToyJudge(words=lambda waveform: "hum" if len(waveform) > 1.2 * RATE else "")
    monkeypatch.setattr(controls, "PocketSphinx", lambda: judge)
    monkeypatch.setattr(controls, "one_at_a_time", lambda: few)
    monkeypatch.chdir(tmp_path)
    controls.main([f"toy={slow_checkpoint}"], corpus=tiny_corpus, clips=1, record=True)
    (path,) = tmp_path.glob("research/records/controls-*.json")
    figures = read_record(path).figures
    systems = figures["systems"]
    assert list(systems["toy"]) == ["neutral", "speed 2", "pitch +6"]
    recorded = systems[controls.CEILING]
    assert recorded["speed 2"][STRETCH]["value"] == pytest.approx(1, abs=0.01)
    assert recorded["pitch +6"][SHIFT]["value"] == pytest.approx(6, abs=0.2)
    assert recorded["neutral"][LEVEL]["value"] == 0
    assert recorded["speed 2"][RATIO]["value"] == 2  # of two words one, then none
    shown = markdown(controls.controls_blocks(figures))
    assert "| speed 2 |" in shown
    assert "**2.00 [2.00, 2.00]**" in shown
