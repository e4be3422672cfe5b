"""Training batches: windows of recordings with their whole sentences, and timings of more texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpo.audio import ENERGY_FLOOR, MEL_FLOOR, harmonic_source, pre_emphasise
from dlpo.data.dataset import Corpora
from dlpo.data.features import Features
from dlpo.frame_grid import FrameGrid
from dlpo.model.build import ModelConfig

CONTEXT = 8  # frames on either side of a window: the reach of the conditioning convolutions


class OnDevice:
    """A dataclass of tensors, and of such dataclasses."""

    __slots__ = ()

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        own: Any = self
        values = {field.name: getattr(self, field.name) for field in fields(own)}
        moved = {k: v.to(device) for k, v in values.items() if isinstance(v, Tensor | OnDevice)}
        return cast(Self, replace(own, **moved))


@dataclass(frozen=True, slots=True)
class Sentences(OnDevice):
    """Padded symbols and their lengths."""

    phonemes: Tensor
    """(B, P) int64"""
    mask: Tensor
    """(B, P) bool"""
    durations: Tensor
    """(B, P) float32, whole frames"""
    voices: Tensor
    """(B, 2) int64 rows of the voice embedding, speaker and session, -1 for none"""


@dataclass(frozen=True, slots=True)
class Windows(OnDevice):
    """A window of each sentence, W frames, with C = `CONTEXT` frames more on either side."""

    places: tuple[tuple[int, int], ...]
    """B pairs of the utterance's index in the dataset and the window's first frame"""
    sentences: Sentences
    positions: Tensor
    """(B, W + 2C) centres of the frames within the utterance"""
    inside: Tensor
    """(B, W + 2C) 1 where the utterance has such a frame, else 0"""
    log_f0: Tensor
    """(B, W + 2C) ln Hz, interpolated across unvoiced frames"""
    voicing: Tensor
    """(B, W + 2C) 1 where voiced"""
    energy: Tensor
    """(B, W + 2C) log RMS"""
    mel: Tensor
    """(B, 80, W + 2C) log-mel"""
    waveform: Tensor
    """(B, W * H) pre-emphasized"""
    source: Tensor
    """(B, W * H) harmonic source, locked to the recording"""


def whole_frames(seconds: NDArray[np.float32], grid: FrameGrid) -> NDArray[np.float32]:
    """(P,) seconds -> (P,) whole frames whose sum doesn't drift from the clock."""
    ends = np.round(np.cumsum(seconds.astype(np.float64)) * grid.frames_per_s)
    return np.diff(ends, prepend=0).astype(np.float32)


def sentences_of(
    dataset: Corpora,
    utterances: Sequence[int],
    rows: Callable[[str], tuple[int, int]],
) -> Sentences:
    """Symbols, durations and voices of utterances, padded to the longest.

    Args:
        dataset: holds the utterances.
        utterances: their indices.
        config: the model's, with the rows of its voices and the taper of its source.
    """
    timings = [dataset.timing(i) for i in utterances]
    shape = len(timings), max(len(symbols) for symbols, _ in timings)
    phonemes, durations = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    mask = np.zeros(shape, bool)
    for i, (symbols, seconds) in enumerate(timings):
        phonemes[i, : len(symbols)] = symbols
        durations[i, : len(symbols)] = whole_frames(seconds, dataset.grid)
        mask[i, : len(symbols)] = True
    voices = np.array([rows(dataset.entries[i].voice) for i in utterances], np.int64)
    return Sentences(*map(torch.from_numpy, (phonemes, mask, durations, voices)))


class Batches:
    """Draws batches from one split; what update k draws does not depend on earlier updates.

    Args:
        dataset: one prepared corpus, or several.
        split: train, validation or test.
        seed, rank: of the draws.
        rows: an entry's voice -> its rows of the voice embedding, by the model's configuration.
    """

    def __init__(
        self,
        dataset: Corpora,
        split: str,
        seed: int,
        rank: int,
        config: ModelConfig,
    ) -> None:
        self.dataset = dataset
        self.key = (seed, rank)
        self.grid = config.grid
        self.rows = config.rows
        self.recorded = dataset.split(split, with_audio=True)
        self.timed = [*self.recorded, *dataset.split(split, with_audio=False)]
        self.chances = dataset.chances(self.recorded)
        self.timing_chances = dataset.chances(self.timed, by_length=False)

    def windows(self, update: int, size: int, window: int) -> Windows:
        """`size` windows of `window` frames, utterances drawn in proportion to length."""
        return self.collate(self.places(update, size, window), window)

    def places(self, update: int, size: int, window: int) -> list[tuple[int, int]]:
        """(utterance, first frame) of each of those windows."""
        random = np.random.default_rng([*self.key, update, 0])
        places = []
        for i in random.choice(self.recorded, size, p=self.chances):
            last = max(0, self.dataset.entries[i].frames - window)
            places.append((int(i), int(random.integers(0, last + 1))))
        return places

    def whole(self, utterance: int) -> Windows:
        """One utterance from its first frame to its last."""
        return self.collate([(utterance, 0)], self.dataset.entries[utterance].frames)

    def timings(self, update: int, size: int) -> Sentences:
        """`size` sentences with known durations, with audio or without, short and long alike."""
        random = np.random.default_rng([*self.key, update, 1])
        chosen = [int(i) for i in random.choice(self.timed, size, p=self.timing_chances)]
        return sentences_of(self.dataset, chosen, self.rows)

    def collate(self, places: list[tuple[int, int]], window: int) -> Windows:
        """Windows of `window` frames at each (utterance, first frame)."""
        cut = [self._cut(i, first, window) for i, first in places]
        sentences = sentences_of(self.dataset, [i for i, _ in places], self.rows)
        return Windows(
            tuple(places),
            sentences,
            *(torch.from_numpy(np.stack(column)) for column in zip(*cut, strict=True)),
        )

    def _cut(self, i: int, first: int, window: int) -> tuple[NDArray[np.float32], ...]:
        """The arrays of `Windows` for one utterance, padded with silence past its ends."""
        total = self.dataset.entries[i].frames
        start, end = first - CONTEXT, first + window + CONTEXT
        piece = self.dataset.window(i, max(0, start), min(total, end) - max(0, start))
        missing = (max(0, -start), max(0, end - total))
        features: Features = piece.features
        source = harmonic_source(features.f0, self.grid, features.phase)

        def padded(values: NDArray[np.float32], fill: float) -> NDArray[np.float32]:
            widths = [missing] + [(0, 0)] * (values.ndim - 1)
            return np.pad(values, widths, constant_values=fill).astype(np.float32)

        voiced = features.f0 > 0
        frames = np.arange(len(voiced))
        log_f0 = (
            np.interp(frames, frames[voiced], np.log(features.f0[voiced]))
            if voiced.any()
            else np.full(len(frames), 5.3)
        )
        hop = self.dataset.grid.hop_length
        samples = slice(CONTEXT * hop, (CONTEXT + window) * hop)
        silence = (missing[0] * hop, missing[1] * hop)
        return (
            np.arange(start, end, dtype=np.float32) + 0.5,
            padded(np.ones(len(frames), np.float32), 0.0),
            padded(log_f0.astype(np.float32), 5.3),
            padded(voiced.astype(np.float32), 0.0),
            padded(features.energy, float(np.log(ENERGY_FLOOR))),
            padded(features.mel, float(np.log(MEL_FLOOR))).T,
            np.pad(pre_emphasise(piece.waveform), silence)[samples],
            np.pad(source, silence)[samples],
        )
