"""What recordings say of the contour: two points a symbol, from their F0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dlpo.data.corpora import Corpora
from dlpo.data.dataset import Dataset
from dlpo.errors import DataError
from dlpo.model.contour import POINTS, point_weights
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.training.batches import Sentences, sentences_of, whole_frames

UNVOICED_WEIGHT = 0.05  # F0 is only interpolated there
SMOOTHNESS = 0.3  # of neighbouring points, beside frames of weight 1: decides where none is voiced
MOST_WEIGHT = 8.0  # frames; a long vowel shall not outweigh a word
LEAST_WEIGHT = 0.1
SURE = 1.0  # frames; points with at least so many voiced ones are validated on


@dataclass(frozen=True, slots=True)
class Recorded:
    """The contour of one recording."""

    points: NDArray[np.float32]
    """(2, P) about the clip's mean, in standard deviations of its voiced frames"""
    voiced: NDArray[np.float32]
    """(2, P) voiced frames that each point stands for"""
    mean: float
    """ln Hz, of its voiced frames"""
    spread: float
    """standard deviation of these, ln Hz"""


@dataclass(frozen=True, slots=True)
class Contours:
    """Padded contours of a batch."""

    sentences: Sentences
    points: torch.Tensor
    """(B, 2, P)"""
    voiced: torch.Tensor
    """(B, 2, P) frames"""

    def to(self, device: torch.device) -> Contours:
        """The same on another device."""
        return Contours(self.sentences.to(device), self.points.to(device), self.voiced.to(device))

    @property
    def weights(self) -> torch.Tensor:
        """(B, 2, P) how much each point counts in training."""
        return (self.voiced.clamp(max=MOST_WEIGHT) + LEAST_WEIGHT) * self.sentences.mask[:, None]


def recorded_contour(dataset: Dataset | Corpora, utterance: int) -> Recorded:
    """The points whose upsampling comes closest to the F0 of a recording, by least squares.

    Raises:
        DataError: fewer than two frames of it are voiced.
    """
    _, seconds = dataset.timing(utterance)
    durations = whole_frames(seconds)
    f0 = dataset[utterance].features.f0[: int(durations.sum())]
    voiced = f0 > 0
    if voiced.sum() < 2:
        raise DataError(
            f"{dataset.entries[utterance].id}: {voiced.sum()} frames are voiced; expected speech,"
            " leave the clip out of the corpus"
        )
    frames = np.arange(len(f0))
    log_f0 = np.interp(frames, frames[voiced], np.log(f0[voiced]))
    mean, spread = float(log_f0[voiced].mean()), float(log_f0[voiced].std())
    weights = point_weights(torch.from_numpy(durations)[None], frame_positions(len(f0)))
    shares = weights[0].double().numpy()  # (F, 2 P)
    present = shares.sum(0) > 1e-6  # points of symbols that last
    of_frames = np.sqrt(voiced + UNVOICED_WEIGHT)[:, None]
    rows = shares[:, present] * of_frames
    bends = np.diff(np.eye(present.sum()), axis=0) * SMOOTHNESS
    wanted = rows.T @ ((log_f0 - mean) / max(spread, 1e-3) * of_frames[:, 0])
    found = np.linalg.solve(rows.T @ rows + bends.T @ bends, wanted)
    # Symbols that don't last lie between their neighbours.
    everywhere = np.interp(np.arange(len(present)), np.flatnonzero(present), found)
    counts = (shares * voiced[:, None]).sum(0)
    points, counts = (x.reshape(-1, POINTS).T.astype(np.float32) for x in (everywhere, counts))
    return Recorded(points, counts, mean, spread)


class RecordedContours:
    """The contours of a split's recordings; each is fitted once.

    Args:
        dataset: prepared.
        split: train or validation.
        rows: rows of the voice embedding of an entry's voice, for a model with several.

    Raises:
        DataError: the split has no recordings, or one is without voice.
    """

    def __init__(
        self,
        dataset: Dataset | Corpora,
        split: str,
        rows: Callable[[str], tuple[int, int]] | None = None,
    ) -> None:
        self.dataset, self.rows = dataset, rows
        of_split = dataset.split(split, with_audio=True)
        self.found = {i: recorded_contour(dataset, i) for i in of_split}
        by_length = sorted(of_split, key=lambda i: (dataset.entries[i].symbols, i))
        self.utterances = by_length
        """their indices, the shortest first"""

    @property
    def centre(self) -> float:
        """ln Hz, mean over the clips."""
        return float(np.mean([found.mean for found in self.found.values()]))

    @property
    def spread(self) -> float:
        """Standard deviation of ln F0 within a clip, mean over the clips."""
        return float(np.mean([found.spread for found in self.found.values()]))

    def range_of(self, voice: str) -> tuple[float, float]:
        """Centre and spread in ln Hz of a voice, or of a speaker's voices together.

        Raises:
            DataError: it has no recordings.
        """
        names = [(i, self.dataset.entries[i].voice) for i in self.found]
        of_voice = [self.found[i] for i, name in names if voice in (name, name.split("/")[0])]
        if not of_voice:
            raise DataError(f"{voice}: has no recordings to measure its pitch; prepare some")
        return (
            float(np.mean([found.mean for found in of_voice])),
            float(np.mean([found.spread for found in of_voice])),
        )

    def collate(self, utterances: list[int]) -> Contours:
        """A batch."""
        sentences = sentences_of(self.dataset, utterances, self.rows)
        shape = (len(utterances), POINTS, sentences.mask.shape[1])
        points, voiced = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for row, i in enumerate(utterances):
            length = self.found[i].points.shape[1]
            points[row, :, :length] = self.found[i].points
            voiced[row, :, :length] = self.found[i].voiced
        return Contours(sentences, torch.from_numpy(points), torch.from_numpy(voiced))
