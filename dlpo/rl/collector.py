"""Collects the rollouts of an update and their rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from dlpo.config.tuning import TuningConfig
from dlpo.errors import TrainingError
from dlpo.judges.judge import Scores
from dlpo.rl.augmentation import augmented
from dlpo.rl.core.loop import DrawnBatch
from dlpo.rl.prompts import Prompt, Prompts
from dlpo.rl.rewards import ClipBatch, Reward, WeightedSum
from dlpo.rl.spoken_chain import SpokenChain
from dlpo.rl.timer import StageTimer
from dlpo.training.processes import Processes

VALIDATION_KEY = (7, 0)  # of the validation noise, the same in every run for comparability


class RolloutBatch(DrawnBatch):
    """One process's share of an update's rollout, in parts that fit into memory."""

    def clips(self, policy: SpokenChain) -> ClipBatch:
        """All outputs as a judge receives them; one key per sentence."""
        waveforms = [w for part in self.parts for w in policy.waveforms(part)]
        keys = [key for part in self.parts for key in part.prompt_keys]
        texts = [prompt.text for part in self.parts for prompt in part.prompts]
        return ClipBatch(waveforms, texts, policy.model.config.grid.sample_rate_hz, keys)


class RolloutCollector:
    """Runs the chains of each update's prompts and has their outputs judged.

    Args:
        policy: acts.
        prompts: sentences to draw from.
        reward: judges the outputs.
        processes: share the prompts, and standardise rewards together.
        timer: counts seconds by stage.
        settings: prompts per update, seeds per prompt, chains at a time, clip augmentation, seed.
    """

    def __init__(
        self,
        policy: SpokenChain,
        prompts: Prompts,
        reward: WeightedSum,
        processes: Processes,
        timer: StageTimer,
        settings: TuningConfig,
    ) -> None:
        self.policy = policy
        self.prompts = prompts
        self.reward = reward
        self.processes = processes
        self.timer = timer
        self.settings = settings
        self.chains_run = 0  # across all processes

    def draw(self, update: int) -> list[Prompt]:
        """This process's share of an update's prompts, sorted by length."""
        ranks = self.processes.rank, self.processes.count
        prompts = self.prompts.draw(update, self.settings.sentences, *ranks)
        prompts.sort(key=lambda prompt: (len(prompt.symbols), prompt.number))
        return prompts

    def collect(self, update: int) -> RolloutBatch:
        """Run the chains of an update.

        Raises:
            TrainingError: see `run_chains`.
        """
        with self.timer.stage("rollout"):
            settings = self.settings
            key, prompts = (settings.seed, update), self.draw(update)
            batch = run_chains(self.policy, prompts, key, settings.group, settings.rows)
        self.chains_run += len(batch) * self.processes.count
        return batch

    def judge(self, batch: RolloutBatch) -> tuple[list[Tensor], dict[str, float]]:
        """Score an update's rollout across all processes.

        Returns:
            (B,) rewards of each part of this process; figures of all processes, for the log.

        Raises:
            TrainingError: a judge failed, or a score is not finite. The reward's running moments
                are unchanged.
        """
        gathered = self.processes.all_do(lambda: self._score(batch))
        scores = {n: np.concatenate([mine[n] for mine in gathered]) for n in gathered[0]}
        total = self.reward.total(scores)
        first = self.processes.rank * len(batch)
        mine = torch.from_numpy(total[first : first + len(batch)])
        figures = reward_figures(total, scores, self.settings.group)
        of_parts = torch.split(mine, [len(part) for part in batch.parts])
        return [r.to(part.states) for part, r in zip(batch.parts, of_parts, strict=True)], figures

    def _score(self, batch: RolloutBatch) -> dict[str, Scores]:
        clips = batch.clips(self.policy)
        clips = augmented(clips) if self.settings.augment else clips
        return judged(self.reward.rewards, clips, self.timer)


def judged(
    rewards: Sequence[Reward], clips: ClipBatch, timer: StageTimer, stage: str = ""
) -> dict[str, Scores]:
    """Each reward's scores by name, timed under `stage` followed by the name."""
    scores = {}
    for reward in rewards:
        with timer.stage(f"{stage}{reward.name}"):
            scores[reward.name] = reward.judge(clips)
    return scores


def run_chains(
    policy: SpokenChain,
    prompts: Sequence[Prompt],
    key: tuple[int, int],
    group: int,
    rows: int,
) -> RolloutBatch:
    """Synthesize sentences with a policy, G seeds each.

    Args:
        key: (seed, update) that the noise is drawn from.
        rows: chains at a time, rounded to whole sentences.

    Raises:
        TrainingError: the policy's waveforms are not finite.
        InputError: see `ChainPolicy.roll_out`.
    """
    size = max(1, rows // group)
    parts = []
    for some in (prompts[i : i + size] for i in range(0, len(prompts), size)):
        rollout = policy.draw(some, key, group)
        if not bool(torch.isfinite(rollout.output).all()):
            raise TrainingError(
                f"the policy's output is not finite for one of {[p.text for p in some]}; resume"
                " from an earlier state with a lower learning rate"
            )
        parts.append(rollout)
    return RolloutBatch(tuple(parts))


def reward_figures(total: Scores, parts: Mapping[str, Scores], group: int) -> dict[str, float]:
    """Reward figures for the log.

    Args:
        total: (B,) rewards, the seeds of a sentence adjacent.
        parts: name -> (B,) scores on their own scales.
    """
    figures = {"reward": float(total.mean()), "reward_spread": float(total.std())}
    figures |= {f"reward/{name}": float(scores.mean()) for name, scores in parts.items()}
    if group > 1:
        within = total.reshape(-1, group)
        figures["reward_spread_within"] = float(within.std(1).mean())
    return figures
