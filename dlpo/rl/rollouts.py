"""What the policy says in an update, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dlpo.audio import SAMPLE_RATE
from dlpo.errors import TrainingError
from dlpo.judges.judge import Scores
from dlpo.model.build import Model
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.advantages import BOUND, group_advantages
from dlpo.rl.conditions import conditions_of
from dlpo.rl.costs import Costs
from dlpo.rl.processes import Processes
from dlpo.rl.prompts import Prompt, Prompts
from dlpo.rl.rewards.augmented import Augmentation, augmented
from dlpo.rl.rewards.reward import Judged, Speech
from dlpo.rl.rewards.weighted import WeightedSum
from dlpo.rl.rollout import Rollout, roll_out, seed_keys


@dataclass(frozen=True, slots=True)
class Said:
    """The share of one process in an update's rollout, in parts that fit into memory."""

    parts: tuple[Rollout, ...]
    texts: tuple[str, ...]
    """of all rows, part after part"""

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Worth:
    """What an update's rollout was worth."""

    rewards: tuple[Tensor, ...]
    """(B,) of each part of this process"""
    figures: dict[str, float]
    """of all processes"""


class Rollouts:
    """Lets a policy say the prompts of each update, and has them judged.

    Args:
        model: the policy, its own encoder in front; in eval mode.
        prompts: what is said.
        chain: the schedule that is tuned.
        reward: what it is worth.
        processes: who share the prompts, and must agree on means and spreads.
        costs: where seconds go.
        sentences: prompts an update.
        group: seeds of each.
        rows: chains run at once, rounded down to whole sentences.
        reach: see `conditions_of`.
        augmentation: of what the reward hears.
        seed: of the chains' noise.
    """

    def __init__(
        self,
        model: Model,
        prompts: Prompts,
        chain: NoiseSchedule,
        reward: WeightedSum,
        processes: Processes,
        costs: Costs,
        *,
        sentences: int,
        group: int,
        rows: int,
        reach: int,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.model, self.prompts, self.chain, self.reward = model, prompts, chain, reward
        self.processes, self.costs = processes, costs
        self.sentences, self.group, self.rows, self.reach = sentences, group, rows, reach
        self.augmentation, self.seed = augmentation, seed
        self.chains_run = 0  # of all processes

    def say(self, update: int) -> Said:
        """Run the chains of an update, sentences of like length together."""
        processes = self.processes
        with self.costs.of("rollout"):
            drawn = self.prompts.draw(update, self.sentences, processes.rank, processes.count)
            drawn.sort(key=lambda prompt: (len(prompt.symbols), prompt.number))
            key = (self.seed, update)
            said = say(self.model, drawn, self.chain, key, self.group, self.rows, self.reach)
        self.chains_run += len(said) * processes.count
        return said

    def judge(self, said: Said) -> Worth:
        """Have an update's rollout judged, by all processes together.

        Raises:
            TrainingError: a judge failed, or gave no finite score. The reward's running moments
                are as they were.
        """
        heard = self.processes.all_do(lambda: self._listen(said))
        for judged in heard[self.processes.rank].values():
            self.costs.add(judged.seconds)
        scores = {name: np.concatenate([mine[name].scores for mine in heard]) for name in heard[0]}
        total = self.reward.weigh(scores)
        parts = {
            part: np.concatenate([mine[name].parts[part] for mine in heard])
            for name, judged in heard[0].items()
            for part in judged.parts
        }
        first = self.processes.rank * len(said)
        mine = torch.from_numpy(total[first : first + len(said)])
        sizes = [len(part) for part in said.parts]
        return Worth(torch.split(mine, sizes), reward_figures(total, parts, self.group))

    def _listen(self, said: Said) -> dict[str, Judged]:
        waveforms = [w for part in said.parts for w in part.waveforms(self.model)]
        keys = [key for part in said.parts for key in part.sentence_keys]
        speech = Speech(waveforms, said.texts, SAMPLE_RATE, keys)
        if self.augmentation is not None:
            speech = augmented(speech, self.augmentation)
        return self.reward.listen(speech)


def say(
    model: Model,
    prompts: Sequence[Prompt],
    chain: NoiseSchedule,
    key: tuple[int, int],
    group: int,
    rows: int,
    reach: int,
) -> Said:
    """Let a policy say sentences, G seeds each.

    Args:
        key: (seed, update) that the noise is drawn from.

    Raises:
        TrainingError: the policy's waveforms are not finite.
        InputError: see `roll_out`.
    """
    parts, texts = [], []
    size = max(1, rows // group)
    for some in (prompts[i : i + size] for i in range(0, len(prompts), size)):
        conditions = conditions_of(model, some, reach).repeat(group)
        keys = seed_keys(*key, [prompt.number for prompt in some], group)
        part = roll_out(model, conditions, chain, keys, group)
        if not bool(torch.isfinite(part.output).all()):
            raise TrainingError(
                f"the policy's output is not finite for one of {[p.text for p in some]}; go on"
                " from an earlier state with a lower learning rate"
            )
        parts.append(part)
        texts += [prompt.text for prompt in some for _ in range(group)]
    return Said(tuple(parts), tuple(texts))


def reward_figures(total: Scores, parts: dict[str, Scores], group: int) -> dict[str, float]:
    """What the log says of rewards; `parts` in their own scales.

    Args:
        total: (B,) rewards, the seeds of a sentence side by side.
    """
    figures = {"reward": float(total.mean()), "reward_spread": float(total.std())}
    figures |= {f"reward/{name}": float(scores.mean()) for name, scores in parts.items()}
    if group > 1:
        within = total.reshape(-1, group)
        figures["reward_spread_within"] = float(within.std(1).mean())
        advantages = group_advantages(torch.from_numpy(total), group, float("inf"))
        figures["advantages_clipped"] = float((advantages.abs() > BOUND).double().mean())
    return figures
