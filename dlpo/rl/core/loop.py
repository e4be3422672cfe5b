"""Tuning in one process, without files: what a paper's pseudocode is, or somebody else's model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dlpo.rl.core.method import Method, RecordedPart
from dlpo.rl.core.policy import RecordedSamples

Reward = Callable[[Any], Tensor]
"""what a policy drew: a `Rollout` with `output` (B, T), or `FlowDraws` with `samples` (B, G, T) ->
(B,) or (B, G) scores, higher is better; `prompts` says what was asked for"""


@dataclass(frozen=True)
class DrawnBatch:
    """What one update drew, in parts that fit into memory."""

    parts: tuple[Any, ...]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)


@dataclass(frozen=True)
class PlainCollector:
    """Draws for prompts and scores what was drawn."""

    policy: Any
    prompts: Callable[[int], Sequence[Any]]
    """number of an update, 0 the first -> its prompts"""
    reward: Reward
    group: int
    seed: int = 0

    def collect(self, update: int) -> DrawnBatch:
        """The draws of an update's prompts."""
        key = (self.seed, update)
        return DrawnBatch((self.policy.draw(self.prompts(update), key, self.group),))

    def judge(self, batch: DrawnBatch) -> tuple[list[Tensor], dict[str, float]]:
        """(B,) scores of each part, and their mean."""
        with torch.no_grad():
            rewards = [self.reward(part).flatten() for part in batch.parts]
        return rewards, {"reward": torch.cat(rewards).mean().item()}


@dataclass(frozen=True)
class PlainRecordings:
    """Recordings for the diffusion loss: a batch of them for each number."""

    batch: Callable[[int], RecordedSamples]

    def part(self, number: int) -> RecordedPart:
        """Batch `number`, with noise of its own."""
        return RecordedPart(self.batch(number), torch.Generator().manual_seed(number))


def tune(
    method: Method, optimizer: torch.optim.Optimizer, updates: int, clip: float = 1.0
) -> Iterator[dict[str, float]]:
    """Draw, reward, advantages, loss, step; yields the figures of each update.

    Args:
        optimizer: of the policy's weights.
        clip: largest norm of the gradient.
    """
    log_every = 1 if method.needs_rewards(method.objective) else 10
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for update in range(updates):
        batch = method.collect(update, logged=update % log_every == 0)
        for done in range(method.setup.passes):
            optimizer.zero_grad()
            total = 0.0
            for part in method.parts(batch, done):
                loss = method(*part)
                loss.backward()
                total += loss.item()
            torch.nn.utils.clip_grad_norm_(weights, clip)
            optimizer.step()
        yield batch.figures | {"loss": total}
