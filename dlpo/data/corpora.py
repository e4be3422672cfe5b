"""Several prepared corpora as one: pre-training and fine-tuning speech side by side."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpo.data.dataset import Dataset, Entry, Utterance, Utterances
from dlpo.errors import DataError


class Corpora(Utterances):
    """Datasets one after the other, with the interface of a `Dataset`.

    Args:
        paths: directories of prepared datasets.
        shares: of each, how much of what is drawn comes from it; any positive numbers.

    Raises:
        DataError: a directory is no prepared dataset, or a share is not positive.
    """

    def __init__(self, paths: Sequence[Path], shares: Sequence[float]) -> None:
        if not paths or len(paths) != len(shares) or min(shares) <= 0:
            raise DataError(
                f"{len(paths)} datasets with shares {list(shares)}; expected one positive share"
                " of each"
            )
        self.path = paths[0]
        self.datasets = [Dataset(path) for path in paths]
        self.entries: list[Entry] = []
        self._places: list[tuple[Dataset, int]] = []
        for dataset in self.datasets:
            self.entries += dataset.entries
            self._places += [(dataset, i) for i in range(len(dataset))]
        hashes = [dataset.sha256 for dataset in self.datasets]
        self.sha256 = (
            hashes[0] if len(hashes) == 1 else sha256("".join(hashes).encode()).hexdigest()
        )
        self._share = {id(d): s for d, s in zip(self.datasets, shares, strict=True)}

    @property
    def voices(self) -> tuple[str, ...]:
        """Speakers and their sessions, in the order of the datasets."""
        names = dict.fromkeys(
            name for entry in self.entries for name in (entry.voice.split("/")[0], entry.voice)
        )
        return tuple(names)

    def corpus_of(self, utterance: int) -> int:
        """Number of the dataset that an utterance is in."""
        return self.datasets.index(self._places[utterance][0])

    def chances(self, utterances: Sequence[int]) -> NDArray[np.float64]:
        """(U,) chance of drawing each utterance: by its length, and the share of its corpus."""
        lengths = np.array([max(1, self.entries[i].frames) for i in utterances], np.float64)
        owners = np.array([id(self._places[i][0]) for i in utterances])
        for owner in set(owners.tolist()):
            mine = owners == owner
            lengths[mine] *= self._share[owner] / lengths[mine].sum()
        chances: NDArray[np.float64] = lengths / lengths.sum()
        return chances

    def timing(self, i: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(P,) symbol ids and (P,) seconds of utterance `i`."""
        dataset, place = self._places[i]
        return dataset.timing(place)

    def window(self, i: int, first: int, frames: int) -> Utterance:
        dataset, place = self._places[i]
        return dataset.window(place, first, frames)
