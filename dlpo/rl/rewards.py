"""Rewards: clips in, one score per clip out; and their weighted sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from dlpo.errors import ConfigError, InputError, TrainingError
from dlpo.judges.judge import (
    Judge,
    Recognizer,
    Scores,
    Waveform,
    WaveformJudge,
    check_waveforms,
    high_band_db,
    listen_at,
)
from dlpo.judges.whisper import Whisper
from dlpo.judges.word_errors import word_errors
from dlpo.rl.core.conditions import Key
from dlpo.training.processes import bfloat16_is_faster

HIGH_BAND_DB = 3.0
LEAST_SPREAD = 1e-6  # a reward that hardly varies (an inactive guard) adds 0


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """A batch of clips to score."""

    waveforms: Sequence[Waveform]
    """B waveforms (T,), float32 in [-1, 1]"""
    texts: Sequence[str]
    """B texts of the clips"""
    sample_rate_hz: int
    keys: Sequence[Key]
    """B keys of anything a reward draws at random, see `Rollout.prompt_keys`: the seeds of a
    sentence share one, so that chance favors none of them"""

    def __post_init__(self) -> None:
        if not len(self.waveforms) == len(self.texts) == len(self.keys):
            raise InputError(
                f"{len(self.waveforms)} waveforms, {len(self.texts)} texts and {len(self.keys)}"
                " keys; expected the same number of each"
            )

    def __len__(self) -> int:
        return len(self.waveforms)


class Reward(Protocol):
    """Scores clips."""

    @property
    def name(self) -> str:
        """Name in logs and records."""
        ...

    def judge(self, clips: ClipBatch) -> Scores:
        """(B,) scores, float64, finite, higher is better.

        Raises:
            InputError: an unusable waveform, see `dlpo.judges.judge.Judge`.
            TrainingError: a score is missing, NaN or infinite.
        """
        ...


def checked_scores(name: str, scores: Scores, clips: ClipBatch) -> Scores:
    """Scores that are safe to learn from, float64.

    Raises:
        TrainingError: the numbers of scores and clips differ, or a score is not finite.
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


class MeasuredReward:
    """A measure of clips as a reward, with checked scores.

    Args:
        name: in logs and records.
        measure: clips -> (B,) scores, higher is better.
    """

    def __init__(self, name: str, measure: Callable[[ClipBatch], Scores]) -> None:
        self.name = name
        self.measure = measure

    def judge(self, clips: ClipBatch) -> Scores:
        """See `Reward.judge`."""
        return checked_scores(self.name, self.measure(clips), clips)


def judge_reward(judge: Judge) -> MeasuredReward:
    """A judge's score: DistillMOS (the default), DNSMOS P.808, NISQA, UTMOS.

    Networks compute in bfloat16 where that is faster: scores above 4 are rounded to 1/32.
    """
    bfloat16 = isinstance(judge, WaveformJudge) and judge.takes_bfloat16 and bfloat16_is_faster()

    def score(clips: ClipBatch) -> Scores:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            return judge.score(clips.waveforms, clips.sample_rate_hz)

    return MeasuredReward(judge.name, score)


def word_reward(recognizer: Recognizer) -> MeasuredReward:
    """1 - word error rate of a recognizer, at least 0. A text without words is an InputError."""

    def score(clips: ClipBatch) -> Scores:
        transcripts = recognizer.transcribe(clips.waveforms, clips.sample_rate_hz)
        pairs = zip(clips.texts, transcripts, strict=True)
        return 1 - np.minimum([word_errors(*pair).rate for pair in pairs], 1.0)

    return MeasuredReward("words", score)


def text_reward(judge: Whisper) -> MeasuredReward:
    """How probable Whisper finds the text: nats per token, at most 0; smoother than word errors."""

    def score(clips: ClipBatch) -> Scores:
        waveforms = listen_at(judge.sample_rate_hz, clips.waveforms, clips.sample_rate_hz)
        with torch.inference_mode():
            return np.array(
                [
                    float(judge.score_with_gradient(torch.from_numpy(waveform), text))
                    for waveform, text in zip(waveforms, clips.texts, strict=True)
                ]
            )

    return MeasuredReward("whisper", score)


def high_band_reward(target_db: float) -> MeasuredReward:
    """Minus the decibels by which energy above 4 kHz is off its target; 0 within `HIGH_BAND_DB`.

    A judge that ignores anything above 8 kHz can be pleased by ruining it.

    Args:
        target_db: share of all energy; measure the recordings.
    """

    def score(clips: ClipBatch) -> Scores:
        rate_hz = clips.sample_rate_hz
        check_waveforms(clips.waveforms, rate_hz)
        measured = np.array([high_band_db(x, rate_hz) for x in clips.waveforms], np.float64)
        return -np.maximum(0.0, np.abs(measured - target_db) - HIGH_BAND_DB)

    return MeasuredReward("high_band", score)


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and sum of squared deviations of all scores so far."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def with_(self, scores: Scores) -> Moments:
        """The moments after more scores. Reference: Chan, Golub and LeVeque 1983, eq. 2.1."""
        more = len(scores)
        if not more:
            return self
        mean, squares = float(scores.mean()), float(((scores - scores.mean()) ** 2).sum())
        total, apart = self.count + more, mean - self.mean
        return Moments(
            total,
            self.mean + apart * more / total,
            self.squares + squares + apart**2 * self.count * more / total,
        )

    def standardised(self, scores: Scores) -> Scores:
        """(B,) scores at zero mean and unit spread."""
        spread = float(np.sqrt(self.squares / max(1, self.count)))
        if spread < LEAST_SPREAD:
            return np.zeros_like(scores)
        return (scores - self.mean) / spread


class WeightedSum:
    """sum_i w_i (r_i - mean_i) / std_i, with mean and std over all batches up to this one.

    Judges differ in scale: a point of NISQA is not a point of word errors.

    Args:
        rewards: at least one, of different names.
        weights: name -> w, for each reward; negative for what should fall.

    Raises:
        ConfigError: no rewards, two of one name, or weights that don't match them.
    """

    def __init__(self, rewards: Sequence[Reward], weights: Mapping[str, float]) -> None:
        names = [reward.name for reward in rewards]
        if not names or sorted(names) != sorted(weights):
            raise ConfigError(
                f"weights are for {sorted(weights)}, rewards are {sorted(names)}; give each reward"
                " exactly one weight"
            )
        unusable = {name: w for name, w in weights.items() if not np.isfinite(w) or w == 0}
        if unusable:
            raise ConfigError(f"reward weights {unusable} are unusable; expected finite, nonzero")
        self.rewards = tuple(rewards)
        self.weights = dict(weights)
        self.moments = dict.fromkeys(names, Moments())

    def total(self, scores: Mapping[str, Scores]) -> Scores:
        """(B,) sums of the scores of each reward.

        Several processes must gather their scores first: mean and spread span all of them.
        """
        self.moments = {name: m.with_(scores[name]) for name, m in self.moments.items()}
        return sum(
            (self.weights[name] * m.standardised(scores[name]) for name, m in self.moments.items()),
            np.zeros(()),
        )

    def state(self) -> dict[str, tuple[int, float, float]]:
        """The running moments, for bit-exact resumption."""
        return {name: (m.count, m.mean, m.squares) for name, m in self.moments.items()}

    def restore(self, state: Mapping[str, tuple[int, float, float]]) -> None:
        """Continue from `state`.

        Raises:
            ConfigError: the state belongs to other rewards.
        """
        if set(state) != set(self.moments):
            raise ConfigError(
                f"saved state has rewards {sorted(state)}; this run has {sorted(self.moments)}"
            )
        self.moments = {name: Moments(*values) for name, values in state.items()}
