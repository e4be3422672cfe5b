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
from dlpo_serving.synthesis.timing import PhonemeTiming, WordTiming
from research import controls, texts
from research.controls import LEVEL, RATIO, SHIFT, STRETCH
from research.texts import CLIPPED, JUMP, LOUD, PACE, QUIET, SILENT
from tests.toys import ToyJudge

RATE = 22_050  # Hz
WINDOW = np.hanning(3 * RATE).astype(np.float32)


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


def test_accidents_of_a_waveform_are_named() -> None:
    smooth = hum(3) * WINDOW
    clicked = smooth.copy()
    clicked[RATE] += 0.2
    flat = np.clip(smooth, -0.05, 0.05)
    accidents = texts.accidents(smooth)
    assert not texts.accident_names(accidents)
    assert texts.accidents(clicked)[JUMP] > accidents[JUMP] + 12
    for broken, name in (
        (clicked, "click"), (smooth + np.float32(0.02), "DC"), (flat, "clipping"),
        (smooth[: RATE * 3 // 2], "cut end"),
    ):  # fmt: skip
        assert name in texts.accident_names(texts.accidents(broken))
    assert texts.accidents(flat)[CLIPPED] > 3


def test_hiss_in_pauses_is_heard_but_digital_silence_is_not() -> None:
    speech = np.tile(np.concatenate([hum(0.8), np.zeros(RATE // 5, np.float32)]), 3)
    hiss = np.random.default_rng(0).normal(0, 0.002, len(speech)).astype(np.float32)
    assert texts.accidents(speech)[QUIET] > -3  # all that sounds is speech
    assert texts.accidents(speech + hiss)[QUIET] == pytest.approx(-35, abs=5)
    assert np.isnan(texts.accidents(speech[:RATE])[QUIET])


def test_silent_words_and_loud_pauses_are_counted() -> None:
    words = []
    for place in ((0.1, 1.0), (1.4, 2.0), (2.05, 2.9)):
        start, stop = (round(second * RATE) for second in place)
        phonemes = (PhonemeTiming("HH", start, start + 1), PhonemeTiming("M", start + 1, stop))
        words.append(WordTiming("hum", start, stop, 0, 3, phonemes))
    said = texts.TimedSpeech(hum(3), (texts.TimedSentence(tuple(words), "."),))
    whole = texts.mishaps(said, said.waveform)
    assert (whole[SILENT], whole[LOUD]) == (0, 1)  # the hum goes on in the pause
    assert whole[PACE] == pytest.approx(1_000 * (0.9 + 0.6 + 0.85) / 6, rel=0.01)
    muted = said.waveform.copy()
    muted[round(0.9 * RATE) : round(2.03 * RATE)] = 0
    found = texts.mishaps(said, muted)
    assert (found[SILENT], found[LOUD]) == (1, 0)


def test_pitch_and_loudness_of_sentences() -> None:
    for semitones in (-5.0, 6.0):
        pitch = np.full(2 * RATE, 180.0)
        pitch[-RATE // 4 :] *= 2 ** (semitones / 12)
        assert texts.end_semitones(hum(2, pitch)) == pytest.approx(semitones, abs=0.3)
    assert np.isnan(texts.end_semitones(np.zeros(RATE, np.float32)))
    louder = hum(1, amplitude=0.2)
    assert texts.loudness_spread_lu([hum(1), louder]) == pytest.approx(3.01, abs=0.01)
    low, high = np.array([100.0, 0, 100]), np.array([200.0, 200, 200])
    assert controls.shift_semitones(high, low) == pytest.approx(12)
    assert np.isnan(controls.shift_semitones(np.array([0.0, 100.0]), np.array([100.0, 0.0])))


def test_transcripts_are_counted_by_sound() -> None:
    assert texts.compare_words("the code is b", "the code is bee").errors == 0
    found = texts.compare_words("one two three", "one three four five")
    assert found == texts.WordCount(2, 0, 1)
    assert texts.align("abcd", "") == texts.WordCount(0, 4, 0)
    assert texts.align("", "ab") == texts.WordCount(0, 0, 2)


def test_long_speech_is_judged_in_pieces_cut_in_its_pauses() -> None:
    waveform = np.concatenate([hum(9), np.zeros(RATE, np.float32), hum(8)])
    first, second = texts.pieces(waveform, RATE)
    assert 9 * RATE < len(first) < 10 * RATE
    (score,) = texts.InPieces(ToyJudge()).score([waveform], RATE)
    assert score == pytest.approx((len(first) ** 2 + len(second) ** 2) / len(waveform) / RATE)


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
    def of_long(waveform: Waveform) -> str:
        return "hum" if len(waveform) > 1.2 * RATE else ""

    few = [controls.NEUTRAL, controls.Setting(speed=2.0), controls.Setting(pitch_semitones=6.0)]
    monkeypatch.setattr(controls, "PocketSphinx", lambda: ToyJudge(words=of_long))
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
