"""Preference pairs of a listening test as training batches."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpo.audio import END_FRAMES, HOP_LENGTH, SAMPLE_RATE, Waveform, pre_emphasise
from dlpo.data.preferences import PreferencePair
from dlpo.errors import DataError, InputError, TextError
from dlpo.judges.levels import active_level_db
from dlpo.model.build import Model
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import Conditions, conditions_of
from dlpo.rl.preferences import Pairs
from dlpo.rl.prompts import Prompt
from dlpo.rl.rollout import roll_out, seed_keys
from dlpo.text import TextFrontEnd

log = logging.getLogger(__name__)
TOLERANCE = 2  # frames: allowed difference of durations, which may be rounded elsewhere


@dataclass(frozen=True, slots=True)
class _UsablePair:
    """A pair that matches the voice."""

    pair: PreferencePair
    symbols: NDArray[np.int64]
    level_db: float
    """active level of the sentence in the voice itself"""


class ListeningPairs:
    """Draws pairs; update k draws the same whatever happened before it.

    A rendering must match what the voice would synthesize: one sentence with the voice's own
    durations, so that its samples line up with the conditioning. Other pairs are left out, and
    the log says how many. The fade-out that serving appends is cut off. Both renderings are scaled
    to the level at which the voice synthesizes the sentence: a listening test matches loudness, so
    level was not compared.

    Args:
        pairs: of `read_pairs`.
        model: the voice before tuning; in eval mode.
        chain: the schedule that is tuned.
        reach: see `conditions_of`.
        seed: of the draws.

    Raises:
        DataError: no pair is usable, or a wav can't be used.
    """

    def __init__(
        self,
        pairs: Sequence[PreferencePair],
        model: Model,
        chain: NoiseSchedule,
        reach: int,
        seed: int,
    ) -> None:
        self.model, self.reach, self.seed = model, reach, seed
        front_end = TextFrontEnd()
        self.usable: list[_UsablePair] = []
        reasons: dict[str, int] = {}
        for pair in pairs:
            usable = self._check(pair, front_end, chain)
            if isinstance(usable, _UsablePair):
                self.usable.append(usable)
            else:
                reasons[usable] = reasons.get(usable, 0) + 1
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        if not self.usable:
            raise DataError(
                f"none of {len(pairs)} preference pairs fits the voice ({counts}); pairs must be"
                " renderings of single sentences by the voice that is tuned, or by one with its"
                " durations"
            )
        if reasons:
            log.warning("%d of %d preference pairs are left out: %s",
                        sum(reasons.values()), len(pairs), counts)  # fmt: skip

    def __len__(self) -> int:
        return len(self.usable)

    def draw(self, update: int, size: int, rank: int = 0, ranks: int = 1) -> list[int]:
        """The share of one process in the `size` pairs of an update, as numbers for `batch`.

        Raises:
            InputError: `size` is not a positive multiple of `ranks`.
        """
        if size < 1 or size % ranks:
            raise InputError(
                f"{size} pairs an update for {ranks} processes; expected a positive multiple"
            )
        random = np.random.default_rng([self.seed, update])
        drawn = random.choice(len(self), size, replace=size > len(self))
        return [int(i) for i in drawn[rank::ranks]]

    def batch(self, numbers: Sequence[int], update: int) -> Pairs:
        """The pairs of these numbers, with the noise of an update.

        Raises:
            DataError: a wav is gone.
        """
        chosen = [self.usable[i] for i in numbers]
        prompts = [
            Prompt(i, usable.pair.text, usable.symbols)
            for i, usable in zip(numbers, chosen, strict=True)
        ]
        conditions = conditions_of(self.model, prompts, self.reach)
        winners: list[Tensor] = []
        losers: list[Tensor] = []
        for usable in chosen:
            for waveform, side in zip(usable.pair.waveforms(), (winners, losers), strict=True):
                gain_db = usable.level_db - active_level_db(waveform, SAMPLE_RATE)
                side.append(as_chain(self.model, waveform * np.float32(10 ** (gain_db / 20))))
        keys = seed_keys(self.seed, update, numbers, 1)
        return Pairs(conditions, _stacked(winners, conditions), _stacked(losers, conditions), keys)

    def _check(
        self, pair: PreferencePair, front_end: TextFrontEnd, chain: NoiseSchedule
    ) -> _UsablePair | str:
        """The pair, or why it is unusable."""
        try:
            sentences = front_end.process(pair.text).sentences
        except TextError:
            return "without a word"
        if len(sentences) != 1:
            return "of several sentences"
        symbols = np.array(sentences[0].symbol_ids(), np.int64)
        conditions = conditions_of(self.model, [Prompt(0, pair.text, symbols)], self.reach)
        expected = int(conditions.frames[0]) * HOP_LENGTH
        waveforms = pair.waveforms()
        longer = [(len(waveform) - expected) / HOP_LENGTH for waveform in waveforms]
        if any(not -TOLERANCE <= frames <= END_FRAMES + TOLERANCE for frames in longer):
            return "at another pace than the voice's"
        if not all(waveform.any() for waveform in waveforms):
            return "of silence"
        rollout = roll_out(self.model, conditions, chain, seed_keys(0, 0, [0], 1), 1)
        own_level_db = active_level_db(rollout.waveforms(self.model)[0], SAMPLE_RATE)
        return _UsablePair(pair, symbols, own_level_db)


def as_chain(model: Model, waveform: Waveform) -> Tensor:
    """(T,) waveform -> (T,) x_0 in the scale of the model's chain.

    The inverse of `model.to_waveform`.
    """
    if isinstance(model, LiteWaveGrad2):
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
    """Waveforms cropped to, or filled with silence up to, their sentence's own end -> (B, T)."""
    out = torch.zeros(conditions.source.shape)
    ends = (conditions.frames * conditions.samples_per_frame).tolist()
    for b, (row, end) in enumerate(zip(rows, ends, strict=True)):
        kept = row[:end]
        out[b, : len(kept)] = kept
    return out.to(conditions.source)
