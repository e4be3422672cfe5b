"""Which pairs of renderings, of which one was preferred, fit the voice that learns from them."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dlpo.audio import Waveform
from dlpo.data.preferences import PreferencePair
from dlpo.errors import DataError, TextError
from dlpo.frame_grid import FrameGrid
from dlpo.text import TextFrontEnd

Usable = TypeVar("Usable")
log = logging.getLogger(__name__)
TOLERANCE = 2  # frames; allowed difference in durations, which may round differently


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
