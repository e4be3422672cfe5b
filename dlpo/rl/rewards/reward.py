"""What a reward is: speech in, one score a clip out, with what it cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from dlpo.errors import InputError, TrainingError
from dlpo.judges.judge import Judge, Recogniser, Scores, Waveform
from dlpo.judges.word_errors import word_errors
from dlpo.rl.rollout import Key

Clock = Callable[[], float]
"""Seconds from some moment on."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A batch of clips to be judged."""

    waveforms: Sequence[Waveform]
    """B times (T,) float32 in [-1, 1]"""
    texts: Sequence[str]
    """B texts that were to be said"""
    sample_rate_hz: int
    keys: Sequence[Key]
    """B keys of whatever a reward draws at random, see `Rollout.sentence_keys`: seeds of one
    sentence share one, so that luck doesn't tell them apart"""

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
    """What a batch was worth."""

    scores: Scores
    """(B,) float64, finite, higher is better"""
    parts: Mapping[str, Scores] = field(default_factory=dict)
    """name -> (B,) raw scores of everything that was listened to, for the log"""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """name -> what listening to the batch took"""


class Reward(Protocol):
    """Something that says what speech is worth."""

    @property
    def name(self) -> str:
        """How logs and records call it."""
        ...

    def judge(self, speech: Speech) -> Judged:
        """Score a batch.

        Raises:
            InputError: a waveform that can't be listened to, see `dlpo.judges.judge.Judge`.
            TrainingError: a score is missing, NaN or infinite.
        """
        ...


def checked_scores(name: str, scores: Scores, speech: Speech) -> Scores:
    """Scores that learning may rely on, float64.

    Raises:
        TrainingError: another number of scores than clips, or one that is not finite.
    """
    scores = np.asarray(scores, np.float64)
    if scores.shape != (len(speech),):
        raise TrainingError(
            f"{name} gave scores of shape {scores.shape} for {len(speech)} clips; expected"
            f" ({len(speech)},)"
        )
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        i = int(bad[0])
        raise TrainingError(
            f"{name} gave {scores[i]} for {speech.texts[i]!r} and no finite score for {len(bad)} of"
            f" {len(speech)} clips; listen to what the policy says, or choose another reward"
        )
    return scores


class JudgeReward:
    """A judge's score: DistillMOS (the default), DNSMOS P.808, NISQA, UTMOS.

    Args:
        judge_: listens.
        clock: for the cost.
    """

    def __init__(self, judge_: Judge, clock: Clock = time.perf_counter) -> None:
        self.judge_, self.clock = judge_, clock
        self.name = judge_.name

    def judge(self, speech: Speech) -> Judged:
        """See `Reward.judge`."""
        began = self.clock()
        heard = self.judge_.score(speech.waveforms, speech.sample_rate_hz)
        scores = checked_scores(self.name, heard, speech)
        return Judged(scores, {self.name: scores}, {self.name: self.clock() - began})


class WordErrorReward:
    """1 less the word error rate, and no less than 0: how much of the text a recogniser hears.

    Args:
        recogniser: pocketsphinx, usually.
        clock: for the cost.
    """

    name = "words"

    def __init__(self, recogniser: Recogniser, clock: Clock = time.perf_counter) -> None:
        self.recogniser, self.clock = recogniser, clock

    def judge(self, speech: Speech) -> Judged:
        """See `Reward.judge`; also InputError for a text without words."""
        began = self.clock()
        heard = self.recogniser.transcribe(speech.waveforms, speech.sample_rate_hz)
        rates = [
            word_errors(text, words).rate for text, words in zip(speech.texts, heard, strict=True)
        ]
        scores = checked_scores(self.name, 1 - np.minimum(rates, 1.0), speech)
        return Judged(scores, {self.name: scores}, {self.name: self.clock() - began})
