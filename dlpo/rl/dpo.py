"""Diffusion-DPO: learning from pairs of renderings of which one was preferred.

    minimize  -E_k log sigmoid(-beta (e(x_w) - e_ref(x_w) - e(x_l) + e_ref(x_l)))

    e(x) = |eps - eps_theta(alpha_k x + sigma_k eps, c, k)|^2 / samples

    symbol     here                 meaning
    x_w, x_l   winners, losers      two renderings of a sentence
    eps        keyed by the pair    the same for both; one draw per level
    k                               over the N levels of the served chain
    e_ref      reference            of the policy before tuning
    beta       preference_beta      inverse scale; holds the paper's weights T w(lambda_k) too, and
                                    is large because e is a mean over samples, so that every pair
                                    counts alike, however long its sentence

Unlike the policy gradient, the loss also reaches the last, noiseless step. Pairs are data that no
policy need have drawn, so several passes over them are sound.

On a policy without a chain, such as the pitch flow, e is its own training loss of the two
(`matching_margins`).

It needs: listeners' pairs (`--pairs`), or else rewards, by which the best and the worst seed of
each sentence are a pair.

Reference: Wallace et al. 2024 (arXiv 2311.12908), eq. 14.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dlpo.errors import InputError, TrainingError
from dlpo.rl.chain import ChainPolicy
from dlpo.rl.method import LossPart, Method, UpdateBatch
from dlpo.rl.noise import padded_noise
from dlpo.rl.objective import PREFERENCE_BETA, Objective
from dlpo.rl.policy import Drawn, Policy
from dlpo.rl.preferences import Pairs
from dlpo.rl.rollout import Rollout

PREFERENCE = 4  # last element of the noise keys of pairs


@dataclass(frozen=True, slots=True)
class PairsPart:
    """Some of an update's pairs."""

    share: float
    pairs: Pairs


def pairs_of(rollout: Rollout, rewards: Tensor) -> Pairs:
    """The best and the worst seed of each sentence, by a judge's scores.

    Equal rewards pair a rendering with itself, whose gradient is 0.

    Args:
        rewards: (B,).

    Raises:
        InputError: one seed per sentence, or the wrong number of rewards.
        TrainingError: a reward is not finite.
    """
    group = rollout.group
    if group < 2 or rewards.shape != (len(rollout),):
        raise InputError(
            f"rewards of shape {tuple(rewards.shape)} for {len(rollout)} chains in groups of"
            f" {group}; expected one per chain, and at least 2 seeds per sentence"
        )
    if not bool(torch.isfinite(rewards).all()):
        raise TrainingError("a reward is NaN or infinite; find the sentence that caused it")
    grouped = rewards.view(-1, group)
    first = torch.arange(0, len(rollout), group, device=rewards.device)
    best, worst = first + grouped.argmax(1), first + grouped.argmin(1)
    return Pairs(
        rollout.conditions.rows(slice(0, None, group)),
        rollout.output[best],
        rollout.output[worst],
        rollout.sentence_keys[::group],
    )


def matching_margins(
    policy: Policy[Drawn, Any], reference: Policy[Drawn, Any], pairs: Drawn, draws: int
) -> Tensor:
    """`dpo_margins` of any policy, by the loss that it was trained with.

    Args:
        reference: the policy before tuning.
        pairs: two draws of each sentence, the winner first.
        draws: of noise for each level or time.

    Returns:
        (K, B).
    """
    with torch.no_grad():
        before = reference.matching_errors(pairs, draws)
    gains = before - policy.matching_errors(pairs, draws)
    winners, losers = gains[:, ::2], gains[:, 1::2]
    return winners - losers


def dpo_margins(policy: ChainPolicy, reference: ChainPolicy, pairs: Pairs) -> Tensor:
    """How much more the policy's denoising of the winner has improved than that of the loser.

    Returns:
        (N, B): e_ref(x_w) - e(x_w) - e_ref(x_l) + e(x_l), see above; 0 at the reference, above 0
        where the preferred rendering gained.
    """
    margins = []
    keys = [(*key, PREFERENCE) for key in pairs.keys]
    for k, eps in enumerate(padded_noise(pairs.conditions, keys, policy.schedule.steps)):
        gains = []
        for clean in (pairs.winners, pairs.losers):
            with torch.no_grad():
                before = reference.noise_error(pairs.conditions, clean, k, eps)
            gains.append(before - policy.noise_error(pairs.conditions, clean, k, eps))
        margins.append(gains[0] - gains[1])
    return torch.stack(margins)


def dpo_loss(
    policy: ChainPolicy, reference: ChainPolicy, pairs: Pairs, beta: float = PREFERENCE_BETA
) -> Tensor:
    """-log sigmoid(beta margin), averaged over levels and pairs; log 2 at the reference.

    Args:
        reference: the policy before tuning.
        beta: inverse scale: the loss flattens once a margin exceeds 1 / beta.

    Returns:
        (), differentiable in the policy's weights.
    """
    return preference_loss(dpo_margins(policy, reference, pairs), beta)


def preference_loss(margins: Tensor, beta: float) -> Tensor:
    """(...,) margins -> (): -log sigmoid(beta margin), the mean."""
    return -functional.logsigmoid(beta * margins).mean()


class PairMethod(Method[PairsPart]):
    """What learning from pairs has in common, whoever chose."""

    def loss(self, sample: PairsPart) -> Tensor:
        beta = self.objective.preference_beta
        return dpo_loss(self.policy, self.setup.reference, sample.pairs, beta)


class RankedDPO(PairMethod):
    """Pairs of own seeds, ranked by the reward."""

    compares_seeds = True

    @classmethod
    def needs_rewards(cls, objective: Objective) -> bool:
        return True

    def collect(self, update: int, logged: bool) -> UpdateBatch[PairsPart]:
        collector = self.setup.collector
        drawn = collector.collect(update)
        rewards, figures = collector.judge(drawn)
        ranked = [
            PairsPart(len(part) / len(drawn), pairs_of(part, r.to(part.states)))
            for part, r in zip(drawn.parts, rewards, strict=True)
        ]
        return UpdateBatch(update, figures, ranked)


class ListenedDPO(PairMethod):
    """Pairs that listeners chose; needs no rollout and no judge, but for the log."""

    def parts(self, batch: UpdateBatch[PairsPart], done: int) -> list[LossPart]:
        return [*self._draw(batch.update * self.setup.settings.passes + done)]

    def _draw(self, number: int) -> Sequence[PairsPart]:
        """This process's share of the pairs of a step."""
        settings, pairs = self.setup.settings, self.setup.pairs
        assert pairs is not None
        processes = self.setup.collector.processes
        numbers = pairs.draw(number, settings.sentences, processes.rank, processes.count)
        at_once = max(1, settings.rows // 2)
        some = [numbers[i : i + at_once] for i in range(0, len(numbers), at_once)]
        return [PairsPart(len(n) / len(numbers), pairs.batch(n, number)) for n in some]

    @torch.no_grad()
    def measure(self, batch: UpdateBatch[PairsPart]) -> dict[str, float]:
        """The margins of the first part's preferences under the policy."""
        pairs = self._draw(batch.update * self.setup.settings.passes)[0].pairs
        margins = dpo_margins(self.policy, self.setup.reference, pairs)
        return {
            "margin": margins.mean().item(),
            "preferences_kept": (margins.mean(0) > 0).float().mean().item(),
        }
