"""The interfaces of judges, and the checks and the resampling that all of them need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import CheckpointError, InputError, MissingExtraError

Waveform = NDArray[np.float32]
Scores = NDArray[np.float64]

MIN_SECONDS = 0.2  # below that no judge has a window to listen to
RATES_HZ = (8_000, 192_000)  # what a recording of speech can sensibly have


class Judge(Protocol):
    """Scores waveforms; higher is better."""

    @property
    def name(self) -> str:
        """Name in tables and records."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """The rate that it listens at; waveforms of other rates are resampled to it."""
        ...

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        """(B,) float64 scores of B waveforms (T,), float in [-1, 1], lengths may differ.

        Raises:
            InputError: a waveform is empty, too short, not one-dimensional, not finite or not
                float, or the rate is none of speech.
        """
        ...


class Recognizer(Protocol):
    """Transcribes speech."""

    @property
    def name(self) -> str:
        """Name in tables and records, with its version."""
        ...

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
        """The words of each waveform, lower case; errors as in `Judge.score`."""
        ...


def check_waveforms(waveforms: Sequence[Waveform], sample_rate_hz: int) -> None:
    """Refuse waveforms that no judge can score.

    Raises:
        InputError: see `Judge.score`; the message has the index of the waveform.
    """
    low, high = RATES_HZ
    if not low <= sample_rate_hz <= high:
        raise InputError(f"sample rate is {sample_rate_hz} Hz; expected {low} to {high} Hz")
    for i, waveform in enumerate(waveforms):
        if waveform.ndim != 1:
            raise InputError(
                f"waveform {i} has shape {waveform.shape}; expected one channel, shape (T,)"
            )
        if not np.issubdtype(waveform.dtype, np.floating):
            raise InputError(f"waveform {i} is {waveform.dtype}; expected float in [-1, 1]")
        if len(waveform) < MIN_SECONDS * sample_rate_hz:
            raise InputError(
                f"waveform {i} lasts {len(waveform) / sample_rate_hz:.3f} s;"
                f" expected at least {MIN_SECONDS} s"
            )
        if not np.isfinite(waveform).all():
            raise InputError(f"waveform {i} holds NaN or infinity; expected finite samples")


def listen_at(rate_hz: int, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[Waveform]:
    """The checked waveforms at `rate_hz`, float32.

    Raises:
        InputError: see `Judge.score`.
        MissingExtraError: soxr is needed and not installed.
    """
    check_waveforms(waveforms, sample_rate_hz)
    if sample_rate_hz == rate_hz:
        return [waveform.astype(np.float32) for waveform in waveforms]
    try:
        import soxr
    except ImportError as error:
        raise MissingExtraError("soxr", "bench") from error
    return [
        soxr.resample(waveform, sample_rate_hz, rate_hz).astype(np.float32)
        for waveform in waveforms
    ]


def load_torch_weights(path: Path) -> dict[str, Any]:
    """The dictionary that a torch file holds, read without executing anything in it.

    Raises:
        CheckpointError: the file is missing, damaged, or not a plain dictionary.
        MissingExtraError: torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "bench") from error
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected the weights of a judge")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the damaged bytes led it to
        raise CheckpointError(
            f"{path}: can't be read as torch weights ({error}); download it again"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}; expected a dictionary")
    return content
