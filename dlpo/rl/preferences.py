"""Listeners' pairs of renderings as the pitch flow sees them, and which of them fit the voice."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpo.audio import Waveform
from dlpo.data.features import measure
from dlpo.data.preferences import PreferencePair
from dlpo.errors import DataError, TextError
from dlpo.frame_grid import FrameGrid
from dlpo.rl.pitch_conditioning import PitchConditioning
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.rl.prompts import Prompt
from dlpo.text import TextFrontEnd
from dlpo.training.contour_losses import fitted_contour

log = logging.getLogger(__name__)
HELD_OUT = 10  # one text in so many is for validation
TOLERANCE = 2  # frames; allowed difference in durations, which may round differently


class MisfitError(Exception):
    """Why a pair is of no use to a voice; only their number is reported."""


@dataclass(frozen=True, slots=True, eq=False)
class ContourPair:
    """One decided comparison, as the flow sees it."""

    prompt: Prompt
    winner: Tensor
    """(2, P) about 0, in units of the voice's spread"""
    loser: Tensor
    """(2, P)"""

    @property
    def held_out(self) -> bool:
        """Whether it is for validation: one text in `HELD_OUT`, chosen by a hash."""
        return crc32(self.prompt.text.encode()) % HELD_OUT == 0


def heard_pairs(
    pairs: Sequence[PreferencePair], policy: PitchFlow, voice: str | None
) -> list[ContourPair]:
    """The contours of the pairs that fit the voice: one sentence, with the voice's own durations.

    Logs how many are of no use, and why.

    Args:
        pairs: from `read_pairs`.
        policy: before tuning.
        voice: their speaker; the first one of the checkpoint by default.

    Raises:
        DataError: none is usable, or a wav can't be used.
    """
    front_end, numbers = TextFrontEnd(), dict[str, int]()
    found, reasons = list[ContourPair](), Counter[str]()
    for pair in pairs:
        try:
            symbols = _symbols_of(pair.text, front_end)
            prompt = Prompt(numbers.setdefault(pair.text, len(numbers)), pair.text, symbols, voice)
            sentence = policy.conditioning(prompt)
            spoken = _spoken(pair, int(sentence.frames.sum()), policy.model.config.grid)
            winner, loser = (_contour(waveform, sentence, policy) for waveform in spoken)
            found.append(ContourPair(prompt, winner, loser))
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


def _symbols_of(text: str, front_end: TextFrontEnd) -> NDArray[np.int64]:
    try:
        sentences = front_end.process(text).sentences
    except TextError as error:
        raise MisfitError("without words") from error
    if len(sentences) != 1:
        raise MisfitError("with several sentences")
    return np.array(sentences[0].symbol_ids(), np.int64)


def _spoken(pair: PreferencePair, frames: int, grid: FrameGrid) -> tuple[Waveform, Waveform]:
    """The audio of a pair, each (T,); `frames`: of the sentence as the voice speaks it."""
    waveforms = pair.waveforms(grid.sample_rate_hz)
    longer = [len(waveform) / grid.hop_length - frames for waveform in waveforms]
    if any(not -TOLERANCE <= more <= grid.end_frames + TOLERANCE for more in longer):
        raise MisfitError("at a different pace from the voice")
    if not all(waveform.any() for waveform in waveforms):
        raise MisfitError("with silent audio")
    return waveforms


def _contour(waveform: Waveform, sentence: PitchConditioning, policy: PitchFlow) -> Tensor:
    """(T,) -> (2, P) in units of the voice's spread."""
    grid = policy.model.config.grid
    samples = np.zeros(int(sentence.frames.sum()) * grid.hop_length, np.float32)
    kept = waveform[: len(samples)]
    samples[: len(kept)] = kept
    pitch_range = sentence.centre, sentence.spread
    try:
        found = fitted_contour(measure(samples, grid).f0, sentence.frames.numpy(), pitch_range)
    except DataError as error:
        raise MisfitError("without a voiced sound") from error
    limit = policy.contour.config.limit
    return torch.from_numpy(found.points).clamp(-limit, limit)


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
