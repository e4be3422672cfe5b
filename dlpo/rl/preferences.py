"""Pairs of renderings of which one was preferred, as the voice that is tuned learns from them."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpo.audio import Waveform, pre_emphasise
from dlpo.data.preferences import PreferencePair
from dlpo.errors import DataError, TextError
from dlpo.frame_grid import FrameGrid
from dlpo.judges.judge import active_level_db
from dlpo.model.build import Model
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.chain import ChainPolicy
from dlpo.rl.conditions import Conditions, conditions_of
from dlpo.rl.noise import Key, seed_keys
from dlpo.rl.prompts import Prompt, draw_share
from dlpo.text import TextFrontEnd

Usable = TypeVar("Usable")
log = logging.getLogger(__name__)
TOLERANCE = 2  # frames; allowed difference in durations, which may round differently


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """A batch of decided comparisons, two renderings of each sentence."""

    conditions: Conditions
    """of B sentences"""
    winners: Tensor
    """(B, T) x_0 in the model's scale; 0 past the end of a sentence"""
    losers: Tensor
    """(B, T)"""
    keys: tuple[Key, ...]
    """B keys that the noise is drawn from"""

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class _UsablePair:
    """A pair that matches the voice."""

    pair: PreferencePair
    symbols: NDArray[np.int64]
    level_db: float
    """active level of the sentence as the voice itself speaks it"""


class ListeningPairs:
    """Draws pairs; what update k draws does not depend on earlier updates.

    A rendering must match what the voice would synthesize: one sentence with the voice's own
    durations, so that its samples line up with the conditioning. Other pairs are skipped, and the
    log says how many. The fade-out that serving appends is cut off. Both renderings are scaled to
    the level at which the voice synthesizes the sentence: a listening test matches loudness, so
    level was not compared.

    Args:
        pairs: from `read_pairs`.
        voice: the policy before tuning.
        seed: of the draws.

    Raises:
        DataError: no pair is usable, or a wav can't be used.
    """

    def __init__(self, pairs: Sequence[PreferencePair], voice: ChainPolicy, seed: int) -> None:
        self.voice = voice
        self.seed = seed
        self.usable: list[_UsablePair] = usable_pairs(pairs, self._usable)

    def __len__(self) -> int:
        return len(self.usable)

    def draw(self, update: int, size: int, rank: int = 0, ranks: int = 1) -> list[int]:
        """One process's share of an update's `size` pairs, as numbers for `batch`."""
        return draw_share((self.seed, update), len(self), size, rank, ranks)

    def batch(self, numbers: Sequence[int], update: int) -> Pairs:
        """The pairs with these numbers, with the noise of an update.

        Raises:
            DataError: a wav is gone.
        """
        chosen = [self.usable[i] for i in numbers]
        prompts = [
            Prompt(i, usable.pair.text, usable.symbols)
            for i, usable in zip(numbers, chosen, strict=True)
        ]
        conditions = conditions_of(self.voice.model, prompts, self.voice.reach)
        rate_hz = self.voice.model.config.grid.sample_rate_hz
        winners: list[Tensor] = []
        losers: list[Tensor] = []
        for usable in chosen:
            for waveform, side in zip(
                usable.pair.waveforms(rate_hz), (winners, losers), strict=True
            ):
                gain_db = usable.level_db - active_level_db(waveform, rate_hz)
                side.append(as_chain(self.voice.model, waveform * np.float32(10 ** (gain_db / 20))))
        keys = seed_keys(self.seed, update, numbers, 1)
        return Pairs(conditions, _stacked(winners, conditions), _stacked(losers, conditions), keys)

    def _usable(self, pair: PreferencePair, symbols: NDArray[np.int64]) -> _UsablePair:
        model, prompt = self.voice.model, Prompt(0, pair.text, symbols)
        conditions = conditions_of(model, [prompt], self.voice.reach)
        grid = model.config.grid
        check_spoken(pair, int(conditions.frames[0]), grid)
        rollout = self.voice.roll_out(conditions, seed_keys(0, 0, [0], 1), 1)
        own_level_db = active_level_db(rollout.waveforms(model)[0], grid.sample_rate_hz)
        return _UsablePair(pair, symbols, own_level_db)


class MisfitError(Exception):
    """Why a pair is of no use to a voice; only their number is reported."""


def usable_pairs(
    pairs: Sequence[PreferencePair],
    usable: Callable[[PreferencePair, NDArray[np.int64]], Usable],
) -> list[Usable]:
    """What `usable` makes of the pairs of one sentence each; logs how many are of no use, and why.

    Args:
        usable: called with each pair and the symbols of its sentence; raises `MisfitError`.

    Raises:
        DataError: none is usable, or a wav can't be used.
    """
    front_end = TextFrontEnd()
    found = list[Usable]()
    reasons = Counter[str]()
    for pair in pairs:
        try:
            found.append(usable(pair, _symbols_of(pair.text, front_end)))
        except MisfitError as misfit:
            reasons[str(misfit)] += 1
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    if not found:
        raise DataError(
            f"none of {len(pairs)} preference pairs fits the voice ({counts}); each must be two"
            " renderings of one sentence by the voice being tuned, or by one with the same"
            " durations"
        )
    if reasons:
        log.warning("skipping %d of %d preference pairs: %s", reasons.total(), len(pairs), counts)
    return found


def check_spoken(pair: PreferencePair, frames: int, grid: FrameGrid) -> tuple[Waveform, Waveform]:
    """The audio of a pair, each (T,).

    Args:
        frames: of the sentence as the voice speaks it.
        grid: of the voice.

    Raises:
        MisfitError: one has another length, or is silent.
        DataError: a wav can't be used.
    """
    waveforms = pair.waveforms(grid.sample_rate_hz)
    longer = [len(waveform) / grid.hop_length - frames for waveform in waveforms]
    if any(not -TOLERANCE <= more <= grid.end_frames + TOLERANCE for more in longer):
        raise MisfitError("at a different pace from the voice")
    if not all(waveform.any() for waveform in waveforms):
        raise MisfitError("with silent audio")
    return waveforms


def _symbols_of(text: str, front_end: TextFrontEnd) -> NDArray[np.int64]:
    try:
        sentences = front_end.process(text).sentences
    except TextError as error:
        raise MisfitError("without words") from error
    if len(sentences) != 1:
        raise MisfitError("with several sentences")
    return np.array(sentences[0].symbol_ids(), np.int64)


def as_chain(model: Model, waveform: Waveform) -> Tensor:
    """(T,) waveform -> (T,) x_0 in the scale of the model's chain.

    The inverse of `model.to_waveform`.
    """
    if isinstance(model, SpectralWaveGrad2):
        return torch.from_numpy(pre_emphasise(waveform)) * model.config.scale
    return torch.from_numpy(waveform)


def pairs_sha256(path: Path, pairs: Sequence[PreferencePair]) -> str:
    """Hash of a file of pairs and of its audio files.

    Raises:
        DataError: a file can't be read.
    """
    digest = hashlib.sha256()
    for file in [path, *(wav for pair in pairs for wav in (pair.winner, pair.loser))]:
        try:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError as error:
            raise DataError(f"{file}: can't be read ({error.strerror})") from error
    return digest.hexdigest()


def _stacked(rows: Sequence[Tensor], conditions: Conditions) -> Tensor:
    """Waveforms cropped or padded with silence to their sentence's own length -> (B, T)."""
    out = torch.zeros(conditions.source.shape)
    ends = (conditions.frames * conditions.samples_per_frame).tolist()
    for b, (row, end) in enumerate(zip(rows, ends, strict=True)):
        kept = row[:end]
        out[b, : len(kept)] = kept
    return out.to(conditions.source)
