"""Rewards: clips in, one score a clip out, with the seconds it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from dlpo.errors import InputError, TrainingError
from dlpo.judges.judge import Judge, Recogniser, Scores, Waveform, check_waveforms
from dlpo.judges.levels import active_level_db, high_band_db
from dlpo.judges.word_errors import word_errors
from dlpo.rl.rollout import Key

LOUDNESS_TOLERANCE_DB = 2.0
HIGH_BAND_TOLERANCE_DB = 3.0
Clock = Callable[[], float]
"""Seconds since an arbitrary moment."""


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """A batch of clips to score."""

    waveforms: Sequence[Waveform]
    """B times (T,) float32 in [-1, 1]"""
    texts: Sequence[str]
    """B texts of the clips"""
    sample_rate_hz: int
    keys: Sequence[Key]
    """B keys of anything a reward draws at random, see `Rollout.sentence_keys`: the seeds of a
    sentence share one, so that chance favors none of them"""

    def __post_init__(self) -> None:
        if not len(self.waveforms) == len(self.texts) == len(self.keys):
            raise InputError(
                f"{len(self.waveforms)} waveforms, {len(self.texts)} texts and {len(self.keys)}"
                " keys; expected as many of each"
            )

    def __len__(self) -> int:
        return len(self.waveforms)


@dataclass(frozen=True, slots=True)
class Judged:
    """The scores of a batch."""

    scores: Scores
    """(B,) float64, finite, higher is better"""
    parts: Mapping[str, Scores] = field(default_factory=dict)
    """name -> (B,) raw scores of each judge, for the log"""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """name -> seconds that scoring took"""


class Reward(Protocol):
    """Scores clips."""

    @property
    def name(self) -> str:
        """Name in logs and records."""
        ...

    def judge(self, clips: ClipBatch) -> Judged:
        """Score a batch.

        Raises:
            InputError: an unusable waveform, see `dlpo.judges.judge.Judge`.
            TrainingError: a score is missing, NaN or infinite.
        """
        ...


def checked_scores(name: str, scores: Scores, clips: ClipBatch) -> Scores:
    """Scores that learning may rely on, float64.

    Raises:
        TrainingError: another number of scores than clips, or one that is not finite.
    """
    scores = np.asarray(scores, np.float64)
    if scores.shape != (len(clips),):
        raise TrainingError(
            f"{name} gave scores of shape {scores.shape} for {len(clips)} clips; expected"
            f" ({len(clips)},)"
        )
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        i = int(bad[0])
        raise TrainingError(
            f"{name} gave {scores[i]} for {clips.texts[i]!r} and no finite score for {len(bad)} of"
            f" {len(clips)} clips; listen to the samples in TensorBoard, or choose another reward"
        )
    return scores


class JudgeReward:
    """A judge's score: DistillMOS (the default), DNSMOS P.808, NISQA, UTMOS.

    Args:
        judge_: scores the clips.
        clock: times it.
    """

    def __init__(self, judge_: Judge, clock: Clock = time.perf_counter) -> None:
        self.judge_, self.clock = judge_, clock
        self.name = judge_.name

    def judge(self, clips: ClipBatch) -> Judged:
        """See `Reward.judge`."""
        began = self.clock()
        raw = self.judge_.score(clips.waveforms, clips.sample_rate_hz)
        scores = checked_scores(self.name, raw, clips)
        return Judged(scores, {self.name: scores}, {self.name: self.clock() - began})


class WordErrorReward:
    """1 - word error rate of a recogniser, at least 0.

    Args:
        recogniser: pocketsphinx, usually.
        clock: times it.
    """

    name = "words"

    def __init__(self, recogniser: Recogniser, clock: Clock = time.perf_counter) -> None:
        self.recogniser, self.clock = recogniser, clock

    def judge(self, clips: ClipBatch) -> Judged:
        """See `Reward.judge`; also InputError for a text without words."""
        began = self.clock()
        transcripts = self.recogniser.transcribe(clips.waveforms, clips.sample_rate_hz)
        rates = [
            word_errors(text, words).rate
            for text, words in zip(clips.texts, transcripts, strict=True)
        ]
        scores = checked_scores(self.name, 1 - np.minimum(rates, 1.0), clips)
        return Judged(scores, {self.name: scores}, {self.name: self.clock() - began})


class Guard:
    """Minus the decibels by which a measure leaves its band; 0 within it.

    A judge that ignores level, or what is above 8 kHz, can be pleased by ruining both.

    Args:
        name: of the guard.
        measure: (T,) and its rate in Hz -> dB.
        target_db: the middle of the band; measure the untuned voice or the recordings.
        tolerance_db: half the band's width.
        clock: times it.
    """

    def __init__(
        self,
        name: str,
        measure: Callable[[Waveform, int], float],
        target_db: float,
        tolerance_db: float,
        clock: Clock = time.perf_counter,
    ) -> None:
        self.name, self.measure, self.clock = name, measure, clock
        self.target_db, self.tolerance_db = target_db, tolerance_db

    def judge(self, clips: ClipBatch) -> Judged:
        """See `Reward.judge`; scores are <= 0."""
        began, rate = self.clock(), clips.sample_rate_hz
        check_waveforms(clips.waveforms, rate)
        measured = np.array([self.measure(x, rate) for x in clips.waveforms], np.float64)
        beyond = np.abs(measured - self.target_db) - self.tolerance_db
        scores = checked_scores(self.name, -np.maximum(0.0, beyond), clips)
        return Judged(scores, {self.name: scores}, {self.name: self.clock() - began})


def loudness_guard(target_db: float, tolerance_db: float = LOUDNESS_TOLERANCE_DB) -> Guard:
    """Keeps the active level, dB relative to full scale."""
    return Guard("loudness", active_level_db, target_db, tolerance_db)


def high_band_guard(target_db: float, tolerance_db: float = HIGH_BAND_TOLERANCE_DB) -> Guard:
    """Keeps the energy above 4 kHz, dB relative to all energy: neither dull nor hissing."""
    return Guard("high_band", high_band_db, target_db, tolerance_db)
