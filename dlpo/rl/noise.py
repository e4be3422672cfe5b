"""Noise that is drawn from a key alone, so that an update is the same whenever it is repeated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dlpo.rl.conditions import Conditions

Key = tuple[int, ...]


def seed_keys(seed: int, update: int, numbers: Sequence[int], group: int) -> tuple[Key, ...]:
    """Keys of all rows: (seed, update, sentence number, seed number)."""
    return tuple((seed, update, number, g) for number in numbers for g in range(group))


def keyed_noise(key: Key, rows: int, samples: int) -> Tensor:
    """(rows, samples) float32, standard normal, from a key alone."""
    random = np.random.default_rng(key)
    return torch.from_numpy(random.standard_normal((rows, samples), dtype=np.float32))


def padded_noise(conditions: Conditions, keys: Sequence[Key], rows: int) -> Tensor:
    """(`rows`, B, T): each sentence's own noise, from its key; 0 past its end."""
    noise = torch.zeros(rows, *conditions.source.shape)
    for b, (key, frames) in enumerate(zip(keys, conditions.frames.tolist(), strict=True)):
        samples = frames * conditions.samples_per_frame
        noise[:, b, :samples] = keyed_noise(key, rows, samples)
    return noise.to(conditions.source)
