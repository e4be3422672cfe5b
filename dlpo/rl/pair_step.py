"""Learning from pairs that people have heard: the tuner's third kind of step."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Policy
from dlpo.rl.heard_pairs import HeardPairs
from dlpo.rl.preferences import Pairs, dpo_loss, dpo_margins
from dlpo.rl.processes import Processes
from dlpo.rl.rollouts import Rollouts
from dlpo.rl.updates import Drawn, Term


class PairStep:
    """Diffusion-DPO on preference pairs; nobody acts, and no judge is asked.

    Args:
        pairs: what is learnt from.
        reference: the policy before tuning.
        chain: at whose levels.
        beta: see `dpo_loss`.
        rollouts: said and judged for the log alone.
        processes: who share the pairs.
        size: pairs an optimiser step.
        rows: renderings that are gone through at once, two a pair: memory.
        passes: optimiser steps an update, each on pairs of its own.
    """

    def __init__(
        self,
        pairs: HeardPairs,
        reference: Policy,
        chain: NoiseSchedule,
        beta: float,
        rollouts: Rollouts,
        processes: Processes,
        *,
        size: int,
        rows: int,
        passes: int,
    ) -> None:
        self.pairs, self.reference, self.chain, self.beta = pairs, reference, chain, beta
        self.rollouts, self.processes = rollouts, processes
        self.size, self.rows, self.passes = size, rows, passes

    def draw(self, update: int, logged: bool) -> Drawn:
        """See `updates.Step.draw`."""
        figures = {}
        if logged:
            figures = self.rollouts.judge(self.rollouts.say(update)).figures
        first = update * self.passes
        return Drawn(
            lambda passed: self._terms(first + passed), figures, lambda: self._measure(first)
        )

    def _parts(self, number: int) -> list[Pairs]:
        numbers = self.pairs.draw(number, self.size, self.processes.rank, self.processes.count)
        at_once = max(1, self.rows // 2)
        return [
            self.pairs.batch(numbers[i : i + at_once], number)
            for i in range(0, len(numbers), at_once)
        ]

    def _terms(self, number: int) -> list[Term]:
        parts = self._parts(number)
        total = sum(len(part) for part in parts)
        return [Term(len(part) / total, partial(self._loss, part)) for part in parts]

    def _loss(self, pairs: Pairs, policy: Policy) -> Tensor:
        return dpo_loss(policy, self.reference, pairs, self.chain, self.beta)

    @torch.no_grad()
    def _measure(self, number: int) -> dict[str, float]:
        """How much of the first part's preferences the policy has taken in."""
        margins = dpo_margins(
            self.rollouts.model, self.reference, self._parts(number)[0], self.chain
        )
        return {
            "margin": margins.mean().item(),
            "preferences_kept": (margins.mean(0) > 0).float().mean().item(),
        }
