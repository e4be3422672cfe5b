"""Texts of other kinds: the set, what is measured of them, and the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dlpo.cli import app
from dlpo.judges.judge import Scores, Waveform
from dlpo.judges.word_errors import words_of
from dlpo.text import TextFrontEnd
from dlpo_bench.judging import WORD_ERRORS, JudgePanel
from dlpo_bench.report.page import make_page
from dlpo_bench.systems import SpeakingOptions, open_voices
from dlpo_bench.texts.measures import (
    CLIPPED,
    DC,
    JUMP,
    LAST,
    LOUD,
    PACE,
    QUIET,
    SILENT,
    accident_names,
    accidents,
    end_semitones,
    loudness_spread_lu,
    mishaps,
)
from dlpo_bench.texts.study import (
    InPieces,
    TimedSentence,
    TimedSpeech,
    WordCount,
    align,
    compare_words,
    pieces,
    read_texts,
    speak,
)
from dlpo_serving.synthesis.timing import PhonemeTiming, WordTiming

RATE = 22_050  # Hz


def hum(seconds: float, hertz: float | np.ndarray = 150.0, amplitude: float = 0.1) -> Waveform:
    """A voice-like sound without beginning or end."""
    phase = np.cumsum(np.broadcast_to(2 * np.pi * hertz / RATE, round(seconds * RATE)))
    return (amplitude * sum(np.cos(k * phase) / k for k in range(1, 12))).astype(np.float32)


def spoken(*places: tuple[float, float], seconds: float = 3.0) -> TimedSpeech:
    """Words at these seconds, each of two phonemes, over a hum."""
    words = []
    for start, stop in places:
        first, last = round(start * RATE), round(stop * RATE)
        phonemes = (PhonemeTiming("HH", first, first + 1), PhonemeTiming("M", first + 1, last))
        words.append(WordTiming("hum", first, last, 0, 3, phonemes))
    return TimedSpeech(hum(seconds), (TimedSentence(tuple(words), "."),))


class Patience:
    """Scores the seconds that it had to listen."""

    name = "patience"
    sample_rate_hz = RATE

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        return np.array([len(waveform) / sample_rate_hz for waveform in waveforms])


class Parrot:
    """Understands the same whatever is said."""

    name = "parrot"

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
        return ["to hums"] * len(waveforms)


def test_the_set_has_sixty_texts_and_the_front_end_reads_each_as_a_person_would() -> None:
    texts = read_texts()
    front_end = TextFrontEnd()

    assert len(texts) == len({text.name for text in texts}) == 60
    for text in texts:
        read = " ".join(s.normalized for s in front_end.process(text.text).sentences)
        assert words_of(read) == words_of(text.words), text.name


def test_a_click_stands_out_and_a_smooth_voice_has_none() -> None:
    smooth = hum(3) * np.hanning(3 * RATE).astype(np.float32)
    clicked = smooth.copy()
    clicked[RATE] += 0.2
    values = accidents(smooth)
    assert not accident_names(values)
    assert accidents(clicked)[JUMP] > values[JUMP] + 12
    assert accident_names(accidents(clicked)) == ["click"]


def test_offset_flat_tops_and_a_cut_end_are_told() -> None:
    smooth = hum(3) * np.hanning(3 * RATE).astype(np.float32)
    assert accidents(smooth)[DC] < -60
    assert "DC" in accident_names(accidents(smooth + np.float32(0.02)))
    flat = accidents(np.clip(smooth, -0.05, 0.05))
    assert flat[CLIPPED] > 3
    assert accident_names(accidents(smooth[: RATE * 3 // 2])) == ["cut end"]
    assert accidents(smooth)[LAST] < -40


def test_hiss_in_pauses_is_heard_but_digital_silence_is_not() -> None:
    speech = np.tile(np.concatenate([hum(0.8), np.zeros(RATE // 5, np.float32)]), 3)
    hiss = np.random.default_rng(0).normal(0, 0.002, len(speech)).astype(np.float32)
    assert accidents(speech)[QUIET] > -3  # all that sounds is speech
    assert accidents(speech + hiss)[QUIET] == pytest.approx(-35, abs=5)
    assert np.isnan(accidents(speech[:RATE])[QUIET])


def test_silent_words_and_loud_pauses_are_counted() -> None:
    said = spoken((0.1, 1.0), (1.4, 2.0), (2.05, 2.9))
    whole = mishaps(said, said.waveform)
    assert (whole[SILENT], whole[LOUD]) == (0, 1)  # the hum goes on in the pause
    assert whole[PACE] == pytest.approx(1_000 * (0.9 + 0.6 + 0.85) / 6, rel=0.01)
    muted = said.waveform.copy()
    muted[round(0.9 * RATE) : round(2.03 * RATE)] = 0
    assert (mishaps(said, muted)[SILENT], mishaps(said, muted)[LOUD]) == (1, 0)


@pytest.mark.parametrize("semitones", [-5.0, 0.0, 6.0])
def test_the_end_of_a_sentence_is_as_high_as_it_is(semitones: float) -> None:
    pitch = np.full(2 * RATE, 180.0)
    pitch[-RATE // 4 :] *= 2 ** (semitones / 12)
    assert end_semitones(hum(2, pitch)) == pytest.approx(semitones, abs=0.3)
    assert np.isnan(end_semitones(np.zeros(RATE, np.float32)))


def test_loudness_differs_from_sentence_to_sentence_by_what_it_differs() -> None:
    assert loudness_spread_lu([hum(1), hum(1, amplitude=0.2)]) == pytest.approx(3.01, abs=0.01)
    assert np.isnan(loudness_spread_lu([hum(1), hum(0.1)]))


def test_transcripts_are_counted_by_sound() -> None:
    assert compare_words("the code is b seven", "the code is bee seven").errors == 0
    assert compare_words("we won", "we one") == WordCount(0, 0, 0)
    assert compare_words("one two three", "one three four five") == WordCount(2, 0, 1)
    assert align("abcd", "") == WordCount(0, 4, 0)
    assert align("", "ab") == WordCount(0, 0, 2)


def test_long_speech_is_judged_in_pieces_cut_in_its_pauses() -> None:
    waveform = np.concatenate([hum(9), np.zeros(RATE, np.float32), hum(8)])
    first, second = pieces(waveform, RATE)
    assert len(first) + len(second) == len(waveform)
    assert 9 * RATE < len(first) < 10 * RATE
    assert len(pieces(hum(2), RATE)) == 1
    (score,) = InPieces(Patience()).score([waveform], RATE)
    assert score == pytest.approx((len(first) ** 2 + len(second) ** 2) / len(waveform) / RATE)


def test_words_lie_in_the_audio_sentence_by_sentence(slow_checkpoint: Path) -> None:
    (speaker,) = open_voices([str(slow_checkpoint)], SpeakingOptions(steps=(1,)))
    said = speak(speaker, "Hum, hum. Is it?", 0)
    assert [len(sentence.words) for sentence in said.sentences] == [2, 2]
    assert [sentence.mark for sentence in said.sentences] == [".", "?"]
    places = [place for word in said.words for place in (word.start, word.stop)]
    assert places == sorted(places)
    assert places[-1] <= len(said.waveform)


def test_the_command_writes_a_record_that_the_page_shows_and_compare_reads(
    slow_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = JudgePanel([Patience()], {WORD_ERRORS: Parrot()}, {"NISQA": "no weights"})
    monkeypatch.setattr("dlpo_bench.judging.load_panel", lambda *places: panel)
    monkeypatch.chdir(tmp_path)
    texts = tmp_path / "texts.tsv"
    texts.write_text("number\t2 hums.\ttwo hums\nyes-no question\tIs it a hum? Hum.\n")
    arguments = ["bench", "texts", f"toy={slow_checkpoint}", "--texts", str(texts), "--record"]

    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments, catch_exceptions=False)

    assert done.exit_code == 0, done.stderr
    assert "no recordings in" in done.stderr
    assert "NISQA left out: no weights" in done.stdout
    (path,) = tmp_path.glob("benchmarks/records/texts-*.json")
    record = json.loads(path.read_text())
    toy = record["figures"]["systems"]["toy"]
    assert toy["number"][WORD_ERRORS]["value"] == 0  # "to" sounds like "two"
    assert toy["yes-no question"][WORD_ERRORS]["value"] == 1  # five words, none right but a few
    assert record["samples"]["clips"] == ["number-01", "yes-no-question-01"]
    shown = make_page(path.parent, tmp_path / "page.md")
    assert shown.problems == []
    assert "| yes-no question | 1 |" in shown.text
    same = CliRunner().invoke(app, ["bench", "compare", str(path), str(path)])
    assert same.exit_code == 0
    assert "toy, word errors, added: +0.000" in same.stdout
