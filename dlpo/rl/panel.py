"""The validation panel: held-out judges and other figures of a policy, and the limits of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dlpo.audio import Waveform
from dlpo.config.tuning import TuningConfig
from dlpo.judges.judge import Scores, active_level_db, high_band_db
from dlpo.judges.word_errors import pooled, word_errors
from dlpo.model.build import Model
from dlpo.rl.collector import VALIDATION_KEY, RolloutBatch, judged, run_chains
from dlpo.rl.core.policy import RecordedSamples
from dlpo.rl.core.policy_gradient import kl_divergence
from dlpo.rl.prompts import Prompt
from dlpo.rl.recorded_windows import recording_cutter
from dlpo.rl.reward_models import RewardModels
from dlpo.rl.rewards import ClipBatch
from dlpo.rl.spoken_chain import SpokenChain
from dlpo.rl.timer import StageTimer
from dlpo.training.batches import Batches

LEAST_SPREAD = 1e-6  # below it, a judge scores all sentences alike
WINDOWS, WINDOW = 32, 48  # recorded windows of the diffusion loss, and frames of each


@dataclass(frozen=True, slots=True)
class PanelFigures:
    """Figures of a policy on the validation sentences; means unless stated otherwise."""

    held_out: dict[str, float]
    """score of each judge outside the reward; higher is better"""
    spreads: dict[str, float]
    """standard deviation over the sentences, of each judge and each part of the reward"""
    rewards: dict[str, float]
    """each part of the reward, on its own scale"""
    word_error_rate: float | None
    """errors of all sentences over their words; None without a recognizer"""
    kl: float
    """divergence from the untuned policy on its own actions, mean over scored steps and samples;
    0 for a chain without scored steps"""
    diffusion: float | None
    """L1 on windows of validation recordings, at the chain's levels; None if there are none"""
    level_db: float
    """active level"""
    high_band_db: float
    """energy above 4 kHz over all energy"""

    def figures(self) -> dict[str, float]:
        """Everything but the spreads, for the log."""
        flat = {f"held_out/{name}": score for name, score in self.held_out.items()}
        flat |= {f"reward/{name}": score for name, score in self.rewards.items()}
        single = ("word_error_rate", "kl", "diffusion", "level_db", "high_band_db")
        found = {name: getattr(self, name) for name in single}
        return flat | {name: value for name, value in found.items() if value is not None}


def divergence(baseline: PanelFigures, now: PanelFigures, limits: TuningConfig) -> str | None:
    """The limits that are exceeded and by how much; None if none is.

    Args:
        baseline: of the policy before tuning, on the same sentences and seeds.
        now: of the current policy.
        limits: `kl_limit`, `judge_margin` and `words_margin`.
    """
    found = [(f"the KL to the untuned voice is {now.kl:.4f}, limit", now.kl, limits.kl_limit)]
    for name, before in baseline.held_out.items():
        fall = before - now.held_out[name]
        message = f"held-out {name} fell by {fall:.3f} to {now.held_out[name]:.3f}, margin"
        found.append((message, fall, limits.judge_margin))
    if now.word_error_rate is not None and baseline.word_error_rate is not None:
        rise = now.word_error_rate - baseline.word_error_rate
        message = f"word errors rose by {rise:.3f} to {now.word_error_rate:.3f}, margin"
        found.append((message, rise, limits.words_margin))
    return "; ".join(f"{what} {limit:g}" for what, x, limit in found if not x <= limit) or None


def gain(baseline: PanelFigures, now: PanelFigures) -> float:
    """The gain on held-out judges, in standard deviations between sentences.

    The mean over the judges, each in units of its spread, so that none dominates by scale. With no
    judge held out it is the mean over the parts of the reward, which proves nothing.
    """
    before, after = baseline.held_out, now.held_out
    if not before:
        before, after = baseline.rewards, now.rewards
    # A score that is the same for every sentence, such as an inactive guard's, has no spread.
    spreads = {n: s if s > LEAST_SPREAD else 1.0 for n, s in baseline.spreads.items()}
    return float(np.mean([(after[name] - before[name]) / spreads[name] for name in before]))


class ValidationPanel:
    """Measures policies on the same sentences with the same seeds.

    Args:
        reference: the policy before tuning.
        prompts: see `validation_prompts`.
        models: parts of the reward, on their own scales; held-out judges; recognizer.
        recorded: see `validation_recordings`.
        timer: counts seconds by stage.
        rows: sentences per batch.
    """

    def __init__(
        self,
        reference: SpokenChain,
        prompts: Sequence[Prompt],
        models: RewardModels,
        recorded: RecordedSamples | None,
        timer: StageTimer,
        rows: int,
    ) -> None:
        self.reference = reference
        self.prompts = prompts
        self.models = models
        self.recorded = recorded
        self.timer = timer
        self.rows = rows

    @torch.no_grad()
    def measure(self, model: Model) -> tuple[PanelFigures, Waveform]:
        """Synthesize the sentences with a policy and score them.

        Args:
            model: the policy's, in eval mode.

        Returns:
            Its figures, and the first sentence for TensorBoard.

        Raises:
            TrainingError: its output, or a judge's score, is not finite.
        """
        with self.timer.stage("validation"):
            policy = SpokenChain(model, self.reference.schedule, self.reference.reach)
            batch = run_chains(policy, self.prompts, VALIDATION_KEY, 1, self.rows)
            clips = batch.clips(policy)
            waveforms, rate_hz = clips.waveforms, clips.sample_rate_hz
            held_out, rewards = (
                judged(some, clips, self.timer, "validation/")
                for some in (self.models.judges, self.models.reward.rewards)
            )
            panel = PanelFigures(
                held_out=_means(held_out),
                spreads={name: float(s.std()) for name, s in (held_out | rewards).items()},
                rewards=_means(rewards),
                word_error_rate=self._word_error_rate(clips),
                kl=self._kl(batch),
                diffusion=self._diffusion(policy),
                level_db=float(np.mean([active_level_db(w, rate_hz) for w in waveforms])),
                high_band_db=float(np.mean([high_band_db(w, rate_hz) for w in waveforms])),
            )
        return panel, waveforms[0]

    def _word_error_rate(self, clips: ClipBatch) -> float | None:
        recognizer = self.models.recognizer
        if recognizer is None:
            return None
        with self.timer.stage("validation/words"):
            words = recognizer.transcribe(clips.waveforms, clips.sample_rate_hz)
        return pooled(word_errors(*pair) for pair in zip(clips.texts, words, strict=True)).rate

    def _kl(self, batch: RolloutBatch) -> float:
        """Divergence from the untuned policy; 0 for a chain without noisy steps."""
        if not batch.parts[0].scored:
            return 0.0
        total = 0.0
        for part in batch.parts:
            before = self.reference.replay(part)
            total += float(kl_divergence(part, part.acted, before).mean(0).sum())
        return total / len(batch)

    def _diffusion(self, policy: SpokenChain) -> float | None:
        if self.recorded is None:
            return None
        return policy.diffusion_loss(self.recorded, torch.Generator().manual_seed(0)).item()


def validation_recordings(reference: Model, batches: Batches) -> RecordedSamples | None:
    """Windows of the validation split for the diffusion loss; None if it has no audio."""
    if not batches.recorded:
        return None
    return recording_cutter(reference, batches)(batches.places(0, WINDOWS, WINDOW), WINDOW, (0, 1))


def _means(scores: Mapping[str, Scores]) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in scores.items()}
