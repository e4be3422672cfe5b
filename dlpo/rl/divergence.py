"""When a run has left the ground: what is measured on held-out sentences, and its limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlpo.config import TuningConfig

LEAST_SPREAD = 1e-6  # below it, sentences sound alike to a judge


@dataclass(frozen=True, slots=True)
class Panel:
    """A policy on the validation sentences; means over them, unless it says otherwise."""

    held_out: dict[str, float]
    """score of each judge that is no part of the reward; higher is better"""
    spreads: dict[str, float]
    """standard deviation over the sentences, of each judge and each part of the reward"""
    rewards: dict[str, float]
    """each part of the reward, in its own scale"""
    word_error_rate: float | None
    """errors of all sentences over their words; None if nobody listened"""
    kl: float
    """from the policy before tuning, of its own actions, mean over scored steps and samples"""
    diffusion: float | None
    """L1 on windows of validation recordings, at the chain's levels; None if there are none"""
    level_db: float
    """active level"""
    high_band_db: float
    """energy above 4 kHz over all energy"""

    def figures(self) -> dict[str, float]:
        """All of it but the spreads, for the log."""
        flat: dict[str, float | None] = {
            f"held_out/{name}": score for name, score in self.held_out.items()
        }
        flat |= {f"reward/{name}": score for name, score in self.rewards.items()}
        flat |= {
            "word_error_rate": self.word_error_rate,
            "kl": self.kl,
            "diffusion": self.diffusion,
            "level_db": self.level_db,
            "high_band_db": self.high_band_db,
        }
        return {name: value for name, value in flat.items() if value is not None}


def divergence(baseline: Panel, now: Panel, limits: TuningConfig) -> str | None:
    """Which limit is passed and by how much; None if none is.

    Args:
        baseline: of the policy before tuning, on the same sentences and seeds.
        now: of the policy as it is.
        limits: `kl_limit`, `judge_margin` and `words_margin`.
    """
    passed = []
    if not now.kl <= limits.kl_limit:
        passed.append(f"the KL to the untuned voice is {now.kl:.4f}, limit {limits.kl_limit:g}")
    for name, before in baseline.held_out.items():
        fall = before - now.held_out[name]
        if not fall <= limits.judge_margin:
            passed.append(
                f"{name}, held out, fell by {fall:.3f} to {now.held_out[name]:.3f}, margin"
                f" {limits.judge_margin:g}"
            )
    if now.word_error_rate is not None and baseline.word_error_rate is not None:
        rise = now.word_error_rate - baseline.word_error_rate
        if not rise <= limits.words_margin:
            passed.append(
                f"word errors rose by {rise:.3f} to {now.word_error_rate:.3f}, margin"
                f" {limits.words_margin:g}"
            )
    return "; ".join(passed) or None


def gain(baseline: Panel, now: Panel) -> float:
    """How much better held-out judges like it, in standard deviations between sentences.

    The mean over the judges, each in its own spread, so that none counts more for its scale. With
    no judge held out it is the mean over the parts of the reward: better than nothing, but proof of
    nothing.
    """
    before, after = baseline.held_out, now.held_out
    if not before:
        before, after = baseline.rewards, now.rewards
    gains = [
        (after[name] - score) / _spread(baseline.spreads[name]) for name, score in before.items()
    ]
    return float(np.mean(gains))


def _spread(spread: float) -> float:
    """1 for what was the same in every sentence, as a guard at rest is: its own scale must do."""
    return spread if spread > LEAST_SPREAD else 1.0
