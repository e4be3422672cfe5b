"""A prepared corpus: flat memory-mapped arrays and one JSON index.

    dataset.json      format, corpus, utterances (id, split, where its rows are), what was left out
    symbols.npy       (S,) uint8      symbol ids of all utterances, concatenated
    durations.npy     (S,) float32    seconds of each symbol
    audio.npy         (T,) int16      waveforms; T is F times the samples of a frame
    phase.npy         (T,) uint16     locked phase of the source, 65,536 to a cycle
    f0.npy energy.npy (F,) float32    Hz (0 = unvoiced); log RMS
    mel.npy           (F, 80) float16 log-mel

Utterances without audio (`frames` 0) have only symbols and durations, to learn prosody from. A
dataset prepared for WaveGrad 2 alone may lack f0 and phase, and one of pitch alone everything else
that has frames; its index then says so in `lacks`.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import Waveform
from dlpo.data.features import Features
from dlpo.errors import DataError
from dlpo.frame_grid import FrameGrid
from dlpo.text.languages import LANGUAGES
from dlpo.text.symbols import SYMBOLS, known_symbols

FORMAT = 2
PHASE_CYCLE = 65_536
DTYPES: dict[str, type[np.generic]] = {
    "symbols": np.uint8,
    "durations": np.float32,
    "audio": np.int16,
    "phase": np.uint16,
    "f0": np.float32,
    "energy": np.float32,
    "mel": np.float16,
}
PER_SYMBOL = ("symbols", "durations")
PER_SAMPLE = ("audio", "phase")
LJSPEECH = "LJSpeech-1.1 (public domain)"
MEASURED = re.compile(r"(.*), ([\d+ ]+) minutes")  # of `describe_speech`
Arrays = Mapping[str, NDArray[Any]]
"""The arrays of one clip, by the keys of `DTYPES`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one utterance is in the arrays."""

    id: str
    split: str
    """train, validation or test"""
    text: str
    voice: str
    """speaker, or speaker/session where each recording session is a voice, such as lj/LJ001"""
    first_symbol: int
    symbols: int
    first_frame: int
    frames: int
    """0 when the utterance has no audio"""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Views of one utterance."""

    symbols: NDArray[np.int64]
    """(P,) symbol ids"""
    durations: NDArray[np.float32]
    """(P,) seconds"""
    waveform: NDArray[np.float32]
    """(F * H,), H the samples of a frame"""
    features: Features


class Dataset:
    """The files of a prepared corpus, opened for reading by `Corpora`.

    Raises:
        DataError: the directory is not a prepared dataset, or was made with other symbols.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        index_path = path / "dataset.json"
        try:
            raw = index_path.read_bytes()
            index: dict[str, Any] = json.loads(raw)
            self.lacks: tuple[str, ...] = tuple(index.get("lacks", ()))
            self.arrays = {
                name: np.load(path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in DTYPES
                if name not in self.lacks
            }
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path}: not a prepared dataset ({error}); run: dlpo prepare ljspeech"
            ) from error
        symbols = tuple(index.get("symbols", ()))
        if index.get("format") != FORMAT or not known_symbols(symbols):
            raise DataError(
                f"{path}: format {index.get('format')}, {len(symbols)} symbols;"
                f" expected format {FORMAT} and the {len(SYMBOLS)} symbols of this version, or the"
                " first of them: prepare it again"
            )
        self.sha256 = sha256(raw).hexdigest()
        try:
            self.grid = FrameGrid(int(index["sample_rate_hz"]), int(index["hop_length"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{index_path}: no sample rate or frame length ({error!r}); prepare it again"
            ) from error
        self.origin: str = index.get("origin", LJSPEECH)
        self.language: str = index.get("language", LANGUAGES[0])
        self.entries = [Entry(**entry) for entry in index["utterances"]]


class Corpora:
    """Utterances by index, of one prepared corpus or of several in a row.

    Args:
        paths: directories of prepared datasets.
        shares: relative share of each in what is drawn; any positive numbers.

    Raises:
        DataError: a directory is not a prepared dataset, a share is not positive, two have other
            sample rates or frames, or a speaker has two languages.
    """

    def __init__(self, paths: Sequence[Path], shares: Sequence[float] = (1.0,)) -> None:
        if not paths or len(paths) != len(shares) or min(shares) <= 0:
            raise DataError(
                f"{len(paths)} datasets with shares {list(shares)}; expected one positive share"
                " per dataset"
            )
        self.path = paths[0]
        self.datasets = [Dataset(path) for path in paths]
        self.grid = _one_grid(self.datasets)
        self.entries: list[Entry] = []
        self._owners: list[int] = []
        for number, dataset in enumerate(self.datasets):
            self.entries += dataset.entries
            self._owners += [number] * len(dataset.entries)
        hashes = [dataset.sha256 for dataset in self.datasets]
        self.sha256 = (
            hashes[0] if len(hashes) == 1 else sha256("".join(hashes).encode()).hexdigest()
        )
        self._shares = shares
        self.languages = _languages(self.datasets)
        """speaker -> language, BCP 47"""

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, i: int) -> Utterance:
        return self.window(i, 0, self.entries[i].frames)

    def check_grid(self, grid: FrameGrid, fixed: bool = False) -> None:
        """Raise DataError if a model's sample rate or frames differ.

        Args:
            fixed: whether no model of this kind has others.
        """
        if grid != self.grid:
            new = (
                f", or train a new model with --set model.sample_rate_hz={self.grid.sample_rate_hz}"
                f" --set model.hop_length={self.grid.hop_length}"
            )
            raise DataError(
                f"{self.path}: {self.grid}; expected the model's {grid}: prepare it again with"
                f" --sample-rate {grid.sample_rate_hz} --frame {grid.hop_length}"
                f"{'' if fixed else new}"
            )

    @property
    def symbols(self) -> int:
        """1 + the highest symbol id that occurs."""
        arrays = [dataset.arrays["symbols"] for dataset in self.datasets]
        return max((1 + int(array.max()) for array in arrays if len(array)), default=0)

    def split(self, name: str, *, with_audio: bool) -> list[int]:
        """Indices of a split's utterances: those with audio, or those with durations only."""
        return [
            i
            for i, entry in enumerate(self.entries)
            if entry.split == name and (entry.frames > 0) == with_audio
        ]

    @property
    def voices(self) -> tuple[str, ...]:
        """Speakers and their sessions, in the order of the datasets."""
        names = dict.fromkeys(
            name for entry in self.entries for name in (entry.voice.split("/")[0], entry.voice)
        )
        return tuple(names)

    def corpus_of(self, utterance: int) -> int:
        """Number of the dataset that an utterance is in."""
        return self._owners[utterance]

    def by_corpus(self, utterances: Sequence[int]) -> list[list[int]]:
        """The utterances of each dataset, in their order."""
        found: list[list[int]] = [[] for _ in self.datasets]
        for i in utterances:
            found[self.corpus_of(i)].append(i)
        return found

    def chances(self, utterances: Sequence[int], *, by_length: bool = True) -> NDArray[np.float64]:
        """(U,) chance of drawing each utterance: by the share of its corpus, and its length."""
        weights = np.ones(len(utterances))
        if by_length:
            weights *= [max(1, self.entries[i].frames) for i in utterances]
        owners = np.array([self.corpus_of(i) for i in utterances])
        for owner in set(owners.tolist()):
            mine = owners == owner
            weights[mine] *= self._shares[owner] / weights[mine].sum()
        chances: NDArray[np.float64] = weights / weights.sum()
        return chances

    def _of(self, i: int) -> tuple[Dataset, Entry]:
        """The dataset that utterance `i` is in, and where."""
        return self.datasets[self._owners[i]], self.entries[i]

    def timing(self, i: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(P,) symbol ids and (P,) seconds of utterance `i`."""
        dataset, entry = self._of(i)
        rows = slice(entry.first_symbol, entry.first_symbol + entry.symbols)
        durations = np.array(dataset.arrays["durations"][rows])
        return dataset.arrays["symbols"][rows].astype(np.int64), durations

    def audio(self, i: int, first: int, frames: int) -> Waveform:
        """(frames * H,) float32 samples of utterance `i` from a frame on.

        Raises:
            DataError: its dataset was prepared without sound.
        """
        samples = self._heard(i, "audio", first, frames)
        out: Waveform = samples.astype(np.float32) / np.float32(32768)
        return out

    def mel(self, i: int, first: int, frames: int) -> NDArray[np.float32]:
        """(frames, 80) log-mel of utterance `i` from a frame on; errors as of `audio`."""
        out: NDArray[np.float32] = self._heard(i, "mel", first, frames).astype(np.float32)
        return out

    def _heard(self, i: int, name: str, first: int, frames: int) -> NDArray[Any]:
        """The rows of an array for some frames of utterance `i`; errors as of `audio`."""
        dataset, entry = self._of(i)
        if "audio" in dataset.lacks:
            raise DataError(
                f"{dataset.path}: prepared without sound, which only `dlpo train contour` and"
                " part=timing can do without; prepare it again from clips that have sound"
            )
        start, size = entry.first_frame + first, self.grid.hop_length if name in PER_SAMPLE else 1
        rows: NDArray[Any] = dataset.arrays[name][start * size : (start + frames) * size]
        return rows

    def f0(self, i: int) -> NDArray[np.float32]:
        """(F,) Hz of utterance `i`, 0 where unvoiced.

        Raises:
            DataError: its dataset was prepared without F0.
        """
        dataset, entry = self._of(i)
        if "f0" in dataset.lacks:
            raise DataError(
                f"{dataset.path}: prepared without F0, which only mini, base and large can do"
                " without; prepare it again without --without-f0"
            )
        rows = slice(entry.first_frame, entry.first_frame + entry.frames)
        return np.array(dataset.arrays["f0"][rows])

    def window(self, i: int, first: int, frames: int) -> Utterance:
        """All symbols of utterance `i`, and its audio and features in a range of frames.

        Raises:
            DataError: its dataset was prepared without F0, or without sound.
        """
        f0, energy = self.f0(i)[first : first + frames], self._heard(i, "energy", first, frames)
        phase = self._heard(i, "phase", first, frames).astype(np.float64) * (
            2 * np.pi / PHASE_CYCLE
        )
        features = Features(f0, np.array(energy), self.mel(i, first, frames), phase)
        return Utterance(*self.timing(i), self.audio(i, first, frames), features)


def _one_grid(datasets: Sequence[Dataset]) -> FrameGrid:
    """That of all datasets; a DataError names one that differs."""
    first, *others = datasets
    for other in others:
        if other.grid != first.grid:
            raise DataError(
                f"{other.path}: {other.grid}, but {first.path}: {first.grid}; prepare one again"
                " with the --sample-rate and --frame of the other"
            )
    return first.grid


def _languages(datasets: Sequence[Dataset]) -> dict[str, str]:
    """Speaker -> language; a DataError names a speaker with two."""
    found: dict[str, str] = {}
    for dataset in datasets:
        for speaker in dict.fromkeys(entry.voice.split("/")[0] for entry in dataset.entries):
            known = found.setdefault(speaker, dataset.language)
            if known != dataset.language:
                raise DataError(
                    f"{dataset.path}: {speaker} speaks {dataset.language} here and {known} in"
                    " another dataset; prepare one of them with another --speaker"
                )
    return found


def describe_speech(datasets: Sequence[Dataset]) -> str:
    """The training speech, for a bundle's manifest: origins, licences and minutes."""
    seconds: dict[str, float] = defaultdict(float)
    for dataset in datasets:
        train = (entry.frames for entry in dataset.entries if entry.split == "train")
        seconds[dataset.origin] += sum(train) / dataset.grid.frames_per_s
    return "; ".join(f"{origin}, {s / 60:.0f} minutes" for origin, s in seconds.items())


def speech_learned(known: Sequence[str], datasets: Sequence[Dataset]) -> str:
    """`describe_speech` of some datasets after what a network knew before: each origin once, with
    the minutes of every set of its speech, as `43 + 12 minutes`."""
    minutes: dict[str, dict[str, None]] = defaultdict(dict)
    for part in "; ".join([*known, describe_speech(datasets)]).split("; "):
        measured = MEASURED.fullmatch(part)
        origin, lengths = measured.groups() if measured else (part, "")
        minutes[origin] |= dict.fromkeys(lengths.split(" + "))
    return "; ".join(
        f"{origin}, {' + '.join(lengths)} minutes" if any(lengths) else origin
        for origin, lengths in minutes.items()
    )
