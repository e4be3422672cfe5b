"""Batches for the published model: excerpts of recordings with their whole sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import cast

import numpy as np
import torch
from torch import Tensor

from dlpo.audio import HOP_LENGTH, Waveform
from dlpo.data.dataset import Dataset
from dlpo.errors import DataError
from dlpo.training.batches import Batches, Sentences, collate_sentences

QUIETEST = 1e-3  # of full scale; a clip with a lower peak is not made louder than that allows


@dataclass(frozen=True, slots=True)
class Excerpts:
    """A window of each sentence with context on either side, F frames in all."""

    sentences: Sentences
    positions: Tensor
    """(B, F) centres of the frames within the utterance; below 0 and past its end too"""
    waveform: Tensor
    """(B, F * 300) as it is heard, each recording brought to a peak of 1; silence past its ends"""
    scored: Tensor
    """(B, F * 300) 1 within the window where the recording lasts, else 0"""

    def to(self, device: torch.device) -> Excerpts:
        """The same on another device."""
        return Excerpts(*(getattr(self, f.name).to(device) for f in fields(self)))


class ExcerptBatches:
    """Draws excerpts from one split; update k draws the same whatever happened before it.

    Args:
        batches: of the split; says which utterances and where.
    """

    def __init__(self, batches: Batches) -> None:
        self.batches, self.dataset = batches, cast(Dataset, batches.dataset)
        self._peaks: dict[int, float] = {}

    @property
    def recorded(self) -> list[int]:
        """Indices of the split's recordings."""
        return self.batches.recorded

    def draw(self, update: int, size: int, window: int, context: int) -> Excerpts:
        """`size` excerpts, utterances drawn by their length.

        Args:
            update: what is drawn for.
            size: B.
            window: frames that are scored.
            context: frames on either side of them.

        Raises:
            DataError: the split has no recordings.
        """
        if not self.recorded:
            raise DataError(
                f"{self.dataset.path}: there are no recordings in this split to learn from; prepare"
                " a corpus with audio"
            )
        return self.collate(self.batches.places(update, size, window), window, context)

    def collate(self, places: Sequence[tuple[int, int]], window: int, context: int) -> Excerpts:
        """Excerpts whose window begins at (utterance, first frame)."""
        length = window + 2 * context
        size = len(places)
        positions = np.zeros((size, length), np.float32)
        waveform = np.zeros((size, length * HOP_LENGTH), np.float32)
        scored = np.zeros_like(waveform)
        for row, (i, first) in enumerate(places):
            frames = self.dataset.entries[i].frames
            start, end = first - context, first + window + context
            positions[row] = np.arange(start, end) + 0.5
            inside = _samples(max(0, start), min(frames, end), start)
            waveform[row, inside] = self._waveform(i, max(0, start), min(frames, end))
            scored[row, _samples(first, min(frames, first + window), start)] = 1
        sentences = collate_sentences([self.dataset.timing(i) for i, _ in places])
        return Excerpts(sentences, *map(torch.from_numpy, (positions, waveform, scored)))

    def _waveform(self, i: int, start: int, end: int) -> Waveform:
        """Some frames of a recording, at the level that brings its peak to 1."""
        if i not in self._peaks:
            whole = self._read(i, 0, self.dataset.entries[i].frames)
            self._peaks[i] = max(QUIETEST, float(np.abs(whole).max()))
        out: Waveform = self._read(i, start, end) / np.float32(self._peaks[i])
        return out

    def _read(self, i: int, start: int, end: int) -> Waveform:
        first = self.dataset.entries[i].first_frame
        samples = slice((first + start) * HOP_LENGTH, (first + end) * HOP_LENGTH)
        out: Waveform = self.dataset.arrays["audio"][samples].astype(np.float32) / 32768
        return out


def _samples(first: int, end: int, origin: int) -> slice:
    """The samples of frames `first` to `end` in an array that begins at frame `origin`."""
    return slice((first - origin) * HOP_LENGTH, (end - origin) * HOP_LENGTH)
