"""Sound files -> samples, with every claim of a header checked before memory is taken for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import DataError, needs

CHANNELS = (1, 2)
RATES_HZ = (8_000, 192_000)
LONGEST_S = 120.0
BLOCK = 1 << 20  # frames read in one go


def decoded(path: Path) -> tuple[NDArray[np.float32], int]:
    """The samples of a sound file, (T, channels) float32, and its rate in Hz.

    A header may claim any length: blocks are read as they come, so memory is taken for what is
    there.

    Raises:
        DataError: it can't be decoded, or has a rate, length or channels that no recording has.
    """
    with needs("train"):
        import soundfile
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            frames = file.frames
            channels = file.channels
            if channels not in CHANNELS:
                raise DataError(f"{channels} channels; expected 1 or 2: convert it")
            if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
                low, high = RATES_HZ
                raise DataError(f"a rate of {rate} Hz; expected {low} to {high}: convert it")
            if frames > LONGEST_S * rate:
                raise DataError(
                    f"{frames} frames at {rate} Hz are more than {LONGEST_S:g} s: the file is"
                    " damaged, or is no single recording"
                )
            blocks = []
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block)
    except (soundfile.LibsndfileError, MemoryError, ValueError, RuntimeError, OSError) as error:
        raise DataError(f"can't be decoded ({error})") from error
    return np.concatenate(blocks) if blocks else np.zeros((0, channels), np.float32), rate
