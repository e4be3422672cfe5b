"""What WaveGrad 2 learns from: excerpts of recordings, and log-mels of whole sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dlpo.audio import MEL_BANDS, MEL_FLOOR, Waveform
from dlpo.errors import DataError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.training.batches import Batches, OnDevice, Sentences, sentences_of

HOP = PUBLISHED_GRID.hop_length  # samples a frame: only WaveGrad 2 reads excerpts
QUIETEST = 1e-3  # of full scale; clips with a lower peak are scaled as if they had this one


@dataclass(frozen=True, slots=True)
class Spectra(OnDevice):
    """Frames of each sentence, F in all, and what they sound like."""

    sentences: Sentences
    positions: Tensor
    """(B, F) centres of the frames within the utterance; below 0 and past its end too"""
    mel: Tensor
    """(B, 80, F) log-mel of the recording scaled to a peak of 1"""
    inside: Tensor
    """(B, F) 1 where the recording lasts, else 0"""


@dataclass(frozen=True, slots=True)
class Excerpts(OnDevice):
    """A window of each sentence with context on either side, F frames in all."""

    spectra: Spectra
    waveform: Tensor
    """(B, F * 300) plain samples, each recording scaled to a peak of 1; silence past its ends"""
    scored: Tensor
    """(B, F * 300) 1 within the window where the recording lasts, else 0"""

    @property
    def sentences(self) -> Sentences:
        """The whole sentences."""
        return self.spectra.sentences


class ExcerptBatches:
    """Draws excerpts from one split; what update k draws does not depend on earlier updates.

    Args:
        batches: of the split; says which utterances and where.
    """

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.dataset = batches.dataset
        self._peaks: dict[int, float] = {}
        self.recorded = batches.recorded
        """indices of the split's recordings"""

    def draw(self, update: int, size: int, window: int, context: int) -> Excerpts:
        """`size` excerpts, utterances drawn in proportion to length.

        Args:
            update: the one to draw for.
            size: B.
            window: frames that are scored.
            context: frames on either side of them.

        Raises:
            DataError: the split has no recordings.
        """
        return self.collate(self._places(update, size, window), window, context)

    def draw_whole(self, update: int, size: int) -> Spectra:
        """Log-mels of `size` whole sentences, drawn in proportion to length.

        Raises:
            DataError: the split has no recordings.
        """
        places = [(i, 0) for i, _ in self._places(update, size, 1)]
        return self.spectra(places, max(self.dataset.entries[i].frames for i, _ in places))

    def _places(self, update: int, size: int, window: int) -> list[tuple[int, int]]:
        if not self.recorded:
            raise DataError(
                f"{self.dataset.path}: no recordings in this split to learn from; prepare"
                " a corpus with audio"
            )
        return self.batches.places(update, size, window)

    def collate(self, places: Sequence[tuple[int, int]], window: int, context: int) -> Excerpts:
        """Excerpts whose window begins at (utterance, first frame)."""
        length = window + 2 * context
        waveform = np.zeros((len(places), length * HOP), np.float32)
        scored = np.zeros_like(waveform)
        for row, (i, first) in enumerate(places):
            frames = self.dataset.entries[i].frames
            start, end = first - context, first + window + context
            inside = _samples(max(0, start), min(frames, end), start)
            waveform[row, inside] = self._waveform(i, max(0, start), min(frames, end))
            scored[row, _samples(first, min(frames, first + window), start)] = 1
        spectra = self.spectra([(i, first - context) for i, first in places], length)
        return Excerpts(spectra, torch.from_numpy(waveform), torch.from_numpy(scored))

    def spectra(self, places: Sequence[tuple[int, int]], length: int) -> Spectra:
        """`length` frames from each (utterance, first frame); the first may be below 0."""
        shape = len(places), length
        positions, inside = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        mel = np.full((shape[0], MEL_BANDS, length), np.log(MEL_FLOOR), np.float32)
        for row, (i, start) in enumerate(places):
            positions[row] = np.arange(start, start + length) + 0.5
            first, end = max(0, start), min(self.dataset.entries[i].frames, start + length)
            here = slice(first - start, end - start)
            inside[row, here] = 1
            mel[row, :, here] = self.dataset.mel(i, first, end - first).T - np.log(self._peak(i))
        sentences = sentences_of(self.dataset, [i for i, _ in places], self.batches.rows)
        return Spectra(sentences, *map(torch.from_numpy, (positions, mel, inside)))

    def _peak(self, i: int) -> float:
        if i not in self._peaks:
            whole = self.dataset.audio(i, 0, self.dataset.entries[i].frames)
            self._peaks[i] = max(QUIETEST, float(np.abs(whole).max()))
        return self._peaks[i]

    def _waveform(self, i: int, start: int, end: int) -> Waveform:
        """Some frames of a recording, scaled so that its peak is 1."""
        out: Waveform = self.dataset.audio(i, start, end - start) / np.float32(self._peak(i))
        return out


def _samples(first: int, end: int, origin: int) -> slice:
    """The samples of frames `first` to `end` in an array that begins at frame `origin`."""
    return slice((first - origin) * HOP, (end - origin) * HOP)
