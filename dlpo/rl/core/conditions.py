"""What a network is given beside a noisy sample, for a batch of samples of mixed lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Key = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Conditions:
    """A network's inputs that stay fixed while a sample is made, padded to one length."""

    inputs: tuple[Tensor, ...]
    """(B, ...) each: what follows sample and noise level when the network is called"""
    inside: Tensor
    """(B, T): 1 within a row's own samples, 0 in the padding; samples have its dtype and device"""

    def __len__(self) -> int:
        return len(self.inside)

    @property
    def samples(self) -> Tensor:
        """(B,) int64: how many of the T samples belong to each row."""
        return self.inside.sum(1).long()

    def repeat(self, times: int) -> Conditions:
        """Each row `times` times, with its copies adjacent."""
        inputs = tuple(one.repeat_interleave(times, 0) for one in self.inputs)
        return Conditions(inputs, self.inside.repeat_interleave(times, 0))

    def rows(self, chosen: slice) -> Conditions:
        """Some of the rows."""
        return Conditions(tuple(one[chosen] for one in self.inputs), self.inside[chosen])


def inside_mean(values: Tensor, inside: Tensor) -> Tensor:
    """(..., B, T) -> (..., B): the mean over each row's own samples."""
    return (values * inside).sum(-1) / inside.sum(-1)


def seed_keys(seed: int, update: int, numbers: Sequence[int], group: int) -> tuple[Key, ...]:
    """Keys of all rows: (seed, update, number of the prompt, number of the draw)."""
    return tuple((seed, update, number, g) for number in numbers for g in range(group))


def keyed_noise(key: Key, rows: int, samples: int) -> Tensor:
    """(rows, samples) float32, standard normal, from a key alone: the same whenever repeated."""
    random = np.random.default_rng(key)
    return torch.from_numpy(random.standard_normal((rows, samples), dtype=np.float32))


def padded_noise(conditions: Conditions, keys: Sequence[Key], rows: int) -> Tensor:
    """(`rows`, B, T): each row's own noise, from its key; 0 past its end."""
    noise = torch.zeros(rows, *conditions.inside.shape)
    for b, (key, samples) in enumerate(zip(keys, conditions.samples.tolist(), strict=True)):
        noise[:, b, :samples] = keyed_noise(key, rows, samples)
    return noise.to(conditions.inside)
