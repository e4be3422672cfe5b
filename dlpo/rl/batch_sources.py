"""What an update learns from: rollouts, recordings, preference pairs, or perturbed weights.

A `BatchSource` draws an update's data once, and supplies the loss terms for each pass over it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from dlpo.errors import ConfigError
from dlpo.model.build import Model
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.collector import RolloutCollector
from dlpo.rl.conditions import Policy
from dlpo.rl.diffusion_loss import (
    RecordedWindows,
    denoise_recorded,
    diffusion_loss,
    prosody_loss,
    recording_cutter,
    renoised_loss,
)
from dlpo.rl.direct import DifferentiableReward
from dlpo.rl.methods import MethodInput, Objective, recorded_loss
from dlpo.rl.objectives import kl_divergence
from dlpo.rl.preferences import ListeningPairs, Pairs, dpo_loss, dpo_margins
from dlpo.rl.rollout import Replay, Rollout, replay
from dlpo.training.adversary import AdversarialTrainer
from dlpo.training.batches import Batches

WARM_UP_BATCHES = 1 << 32  # number of the first batch of an adversary's warm-up


@dataclass(frozen=True, slots=True)
class LossTerm:
    """A part of the loss that fits into memory."""

    weight: float
    loss: Callable[[Policy], Tensor]
    """() with its gradient"""


@dataclass(frozen=True, slots=True)
class UpdateBatch:
    """The data of one update."""

    terms: Callable[[int], Sequence[LossTerm]]
    """pass number -> the terms of its loss"""
    figures: dict[str, float] = field(default_factory=dict)
    """for the log"""
    measure: Callable[[], dict[str, float]] = dict
    """figures of what the update changed; costly, so called only for the log"""


class BatchSource(Protocol):
    """A method's source of data."""

    def draw(self, update: int, logged: bool) -> UpdateBatch:
        """The data of update `update` (0 is the first).

        Args:
            logged: whether figures are needed; if not, data that only the log uses may be omitted.

        Raises:
            TrainingError: a judge failed.
        """
        ...


class RecordingSource:
    """Windows of recordings, split across processes: for the control, and to guide other methods.

    Several processes learn what one would, except for the control's adversary and its spectral
    distance, relative to the mean of each process's own windows.

    Args:
        model: the policy.
        batches: of the train split, the same for all processes.
        objective: selects the loss.
        collector: runs and judges rollouts for the log of the control.
        adversary: of the control's loss; trained for `adversary_warm_up` batches before the
            first update.
        frozen: whether everything before the denoiser is.

    Raises:
        ConfigError: no recordings, or windows that can't be split equally.
    """

    def __init__(
        self,
        model: Model,
        batches: Batches,
        objective: Objective,
        collector: RolloutCollector,
        adversary: AdversarialTrainer | None = None,
        frozen: bool = True,
    ) -> None:
        self.settings, self.processes = collector.settings, collector.processes
        if self.settings.window_batch % self.processes.count:
            raise ConfigError(
                f"window_batch is {self.settings.window_batch}; expected a multiple of the number"
                f" of processes, {self.processes.count}"
            )
        if not batches.recorded:
            raise ConfigError("the train split has no recordings; prepare a dataset with audio")
        self.model, self.batches, self.objective = model, batches, objective
        self.collector, self.chain, self.adversary = collector, collector.chain, adversary
        self.cut = recording_cutter(model, batches, frozen)

    def recorded(
        self, number: int, share: tuple[int, int] | None = None
    ) -> tuple[RecordedWindows, torch.Generator]:
        """A share of batch `number`, by default this process's, and the generator of its noise."""
        rank, ranks = share or (self.processes.rank, self.processes.count)
        size, window = self.settings.window_batch, self.settings.window
        places = self.batches.places(number, size, window)[rank::ranks]
        generator = torch.Generator().manual_seed(self.batches.key[0] * 1_000_003 + number)
        return self.cut(places, window, (rank, ranks)), generator

    def term(self, number: int) -> LossTerm:
        """The loss on batch `number`."""
        if self.adversary is not None and number == 0:
            self._warm_up(self.adversary)
        recorded, generator = self.recorded(number)

        def loss(policy: Policy) -> Tensor:
            chain, adversary = self.chain, self.adversary
            return recorded_loss(self.objective, policy, recorded, chain, generator, adversary)

        return LossTerm(1.0, loss)

    def returned(self, number: int, blocks: Sequence[str]) -> Callable[[], float]:
        """Measures DL of the current weights on batch `number`, for `blocks` of `dlpo.rl.explore`.

        Each process takes the windows of all, since the voices that it compares are its own.
        """
        model, size = self.model, (self.settings.window_batch, self.settings.window)
        device = next(model.parameters()).device
        windows = self.batches.windows(number, *size).to(device) if "prosody" in blocks else None

        @torch.no_grad()
        def measure() -> float:
            loss = 0.0
            if windows is not None and isinstance(model, SpectralWaveGrad2):
                loss += float(prosody_loss(model, windows))
            if blocks[-1] != "prosody":
                recorded, generator = self.recorded(number, (0, 1))
                loss += float(diffusion_loss(model, recorded, self.chain, generator))
            return loss

        return measure

    def _warm_up(self, adversary: AdversarialTrainer) -> None:
        """Teach the adversary to tell recordings from the untuned policy's outputs."""
        for i in range(self.settings.adversary_warm_up):
            recorded, generator = self.recorded(WARM_UP_BATCHES + i)
            with torch.no_grad():
                denoised = denoise_recorded(self.model, recorded, self.chain, generator)
            adversary.discriminator_step(denoised)

    def draw(self, update: int, logged: bool) -> UpdateBatch:
        """See `BatchSource.draw`; rollouts are run only for the log."""
        first = update * self.settings.passes
        figures = _rollout_figures(self.collector, update) if logged else {}
        return UpdateBatch(lambda done: [self.term(first + done)], figures)


class RolloutSource:
    """Rollouts of the policy with their rewards.

    Args:
        objective: the method.
        collector: runs and judges them.
        reference: the policy before tuning.
        judge: the differentiable reward of the direct method.
        recordings: adds their loss to that of the rollouts.

    Raises:
        ConfigError: groups of one seed, which can't be compared.
    """

    def __init__(
        self,
        objective: Objective,
        collector: RolloutCollector,
        reference: Policy,
        judge: DifferentiableReward | None = None,
        recordings: RecordingSource | None = None,
    ) -> None:
        if objective.spec.needs_group and collector.settings.group < 2:
            raise ConfigError(
                f"group is {collector.settings.group}; expected 2 or more, since {objective.method}"
                " compares seeds of the same sentence"
            )
        self.objective, self.collector, self.recordings = objective, collector, recordings
        self.reference, self.judge = reference, judge

    def draw(self, update: int, logged: bool) -> UpdateBatch:
        """See `BatchSource.draw`."""
        batch = self.collector.collect(update)
        figures: dict[str, float] = {}
        rewards: Sequence[Tensor] = [part.output.new_zeros(len(part)) for part in batch.parts]
        if self.objective.spec.needs_rewards or logged:
            rewards, figures = self.collector.judge(batch)
        on_rollouts = [
            LossTerm(len(part) / len(batch), partial(self._loss, part, of_part))
            for part, of_part in zip(batch.parts, rewards, strict=True)
        ]

        def terms(done: int) -> list[LossTerm]:
            if self.recordings is None:
                return on_rollouts
            number = update * self.collector.settings.passes + done
            return [*on_rollouts, self.recordings.term(number)]

        return UpdateBatch(terms, figures, lambda: self._measure(batch.parts[0]))

    def _loss(self, part: Rollout, rewards: Tensor, policy: Policy) -> Tensor:
        loss = self.objective.spec.loss
        assert loss is not None
        rewards = rewards.to(part.log_probs)
        return loss(policy, MethodInput(self.objective, part, rewards, self.reference, self.judge))

    @torch.no_grad()
    def _measure(self, part: Rollout) -> dict[str, float]:
        """Compare the updated policy with the one that acted, over one part."""
        if not part.scored:
            return {}
        policy = self.collector.model
        now = replay(policy, part)
        ratio = (now.log_probs - part.log_probs).exp()
        acted = Replay(part.means[list(part.scored)], part.log_probs)
        return {
            "log_prob": part.log_probs.mean().item(),
            "ratio": ratio.mean().item(),
            "ratio_least": ratio.min().item(),
            "ratio_largest": ratio.max().item(),
            "ratio_clipped": ((ratio - 1).abs() > self.objective.clip_range).float().mean().item(),
            "kl_of_update": kl_divergence(part, now, acted).mean().item(),
            "diffusion_of_output": renoised_loss(policy, part).mean().item(),
        }


class PairSource:
    """Listeners' preference pairs, for Diffusion-DPO; needs no rollout and no judge.

    Args:
        pairs: to draw from.
        reference: the policy before tuning.
        beta: see `dpo_loss`.
        collector: runs and judges rollouts for the log.
    """

    def __init__(
        self, pairs: ListeningPairs, reference: Policy, beta: float, collector: RolloutCollector
    ) -> None:
        self.pairs, self.reference, self.beta = pairs, reference, beta
        self.collector, self.chain, self.settings = collector, collector.chain, collector.settings

    def draw(self, update: int, logged: bool) -> UpdateBatch:
        """See `BatchSource.draw`."""
        first = update * self.settings.passes
        figures = _rollout_figures(self.collector, update) if logged else {}
        return UpdateBatch(
            lambda done: self._terms(first + done), figures, lambda: self._measure(first)
        )

    def _parts(self, number: int) -> list[Pairs]:
        processes = self.collector.processes
        size, at_once = self.settings.sentences, max(1, self.settings.rows // 2)
        numbers = self.pairs.draw(number, size, processes.rank, processes.count)
        starts = range(0, len(numbers), at_once)
        return [self.pairs.batch(numbers[i : i + at_once], number) for i in starts]

    def _terms(self, number: int) -> list[LossTerm]:
        parts = self._parts(number)
        total = sum(len(part) for part in parts)
        return [LossTerm(len(part) / total, partial(self._loss, part)) for part in parts]

    def _loss(self, pairs: Pairs, policy: Policy) -> Tensor:
        return dpo_loss(policy, self.reference, pairs, self.chain, self.beta)

    @torch.no_grad()
    def _measure(self, number: int) -> dict[str, float]:
        """The margins of the first part's preferences under the policy."""
        pairs = self._parts(number)[0]
        margins = dpo_margins(self.collector.model, self.reference, pairs, self.chain)
        return {
            "margin": margins.mean().item(),
            "preferences_kept": (margins.mean(0) > 0).float().mean().item(),
        }


def _rollout_figures(collector: RolloutCollector, update: int) -> dict[str, float]:
    """Rewards of an update's rollout, for the log of a method that doesn't learn from it."""
    return collector.judge(collector.collect(update))[1]
