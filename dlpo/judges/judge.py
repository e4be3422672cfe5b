"""Interfaces of judges, the checks and front ends that they share, and waveform levels."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import CheckpointError, InputError, MissingExtraError, needs
from dlpo.judges import SOURCES

if TYPE_CHECKING:
    from torch import Tensor

Waveform = NDArray[np.float32]
Scores = NDArray[np.float64]

MIN_SECONDS = 0.2  # less does not fill any judge's window
RATES_HZ = (8_000, 192_000)  # plausible for a recording of speech
TYPICAL_LEVEL_DB = -22.0  # active level of the LJSpeech recordings
BLOCK_SECONDS = 0.02
GATE_DB = 30.0  # blocks further below the loudest are pauses
POWER_FLOOR = 1e-12  # -120 dB, so that silence has a level
HIGH_BAND_HZ = 4_000


class Judge(Protocol):
    """Scores waveforms; higher is better."""

    @property
    def name(self) -> str:
        """Name in tables and records."""

    @property
    def sample_rate_hz(self) -> int:
        """The rate that it listens at; other waveforms are resampled to it."""

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        """(B,) float64 scores of B waveforms (T,), float in [-1, 1]; lengths may differ.

        Raises:
            InputError: a waveform is empty, too short, not one-dimensional, not finite or not
                float, or the rate is implausible for speech.
        """


class ClipMeasure(Protocol):
    """Several figures of one clip, or figures for which its text is needed."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names in tables and records."""

    def measure(self, waveform: Waveform, sample_rate_hz: int, text: str) -> tuple[float, ...]:
        """A figure for each name, of (T,) float in [-1, 1]; NaN where the clip has none.

        Raises:
            InputError: see `Judge.score`.
        """


class GradientJudge(Protocol):
    """Scores a waveform differentiably."""

    @property
    def sample_rate_hz(self) -> int:
        """The rate that it listens at."""

    @property
    def takes_bfloat16(self) -> bool:
        """Whether its network may run in bfloat16, where that is faster: with AMX half the time."""

    def score_with_gradient(self, waveform: Tensor, text: str) -> Tensor:
        """(T,) float32 at `sample_rate_hz`, and the text to be spoken -> () score."""


class WaveformJudge:
    """A `Judge` and `GradientJudge` whose network scores waveforms regardless of their text.

    `network`: (1, T) float32 at `sample_rate_hz` -> one score.
    """

    sample_rate_hz = 16_000
    takes_bfloat16 = True
    network: Any
    window: int | None = None
    """samples to which the network itself pads a shorter clip; those can be scored together"""
    clips_at_once = 64
    """of those, on a GPU; a CPU gains nothing"""

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        """See `Judge.score`; on a GPU, where torch can use one."""
        import torch

        device = judging_device()
        network = self.network.to(device)
        heard = listen_at(self.sample_rate_hz, waveforms, sample_rate_hz)
        at_once = 1 if device.type == "cpu" else self.clips_at_once
        with torch.inference_mode():
            scores = [
                network(torch.from_numpy(batch).to(device)).reshape(-1).double().cpu()
                for batch in self.batches(heard, at_once)
            ]
        return np.concatenate(scores) if scores else np.zeros(0)

    def batches(self, heard: Sequence[Waveform], at_once: int) -> Iterator[NDArray[np.float32]]:
        """(N, T) of clips in their order: up to `at_once` that fit the window, others alone."""
        group: list[Waveform] = []
        for clip in heard:
            fits = self.window is not None and len(clip) <= self.window and at_once > 1
            if group and (not fits or len(group) == at_once):
                yield self._padded(group)
                group = []
            if fits:
                group.append(clip)
            else:
                yield clip[None]
        if group:
            yield self._padded(group)

    def _padded(self, clips: Sequence[Waveform]) -> NDArray[np.float32]:
        assert self.window is not None
        return np.stack([np.pad(clip, (0, self.window - len(clip))) for clip in clips])

    def score_with_gradient(self, waveform: Tensor, text: str) -> Tensor:
        """See `GradientJudge`; the text is ignored."""
        score: Tensor = self.network.to(waveform.device)(waveform[None])
        return score.reshape(())


def judging_device() -> Any:
    """The `torch.device` that judges' networks run on: a GPU, if torch can use one."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Recognizer(Protocol):
    """Transcribes speech."""

    @property
    def name(self) -> str:
        """Name in tables and records, with its version."""

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
        """The words of each waveform, lower case; errors as in `Judge.score`."""


def check_waveforms(waveforms: Sequence[Waveform], sample_rate_hz: int) -> None:
    """Reject waveforms that no judge can score.

    Raises:
        InputError: see `Judge.score`; the message gives the waveform's index.
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
    with needs("bench"):
        import soxr
    return [
        soxr.resample(waveform, sample_rate_hz, rate_hz).astype(np.float32)
        for waveform in waveforms
    ]


def require(package: str) -> None:
    """Fail early when loading a judge that could not score later.

    Raises:
        MissingExtraError: the package is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(package, "bench")


def mel_bands(waveform: Waveform, sample_rate_hz: int, **settings: Any) -> NDArray[np.float32]:
    """(T,) -> (frames, bands), power in Slaney's mel bands.

    The voice's own front end (`dlpo.audio`) has another scale, normalization and window.

    Args:
        settings: of `librosa.feature.melspectrogram`.

    """
    from librosa.feature import melspectrogram

    with warnings.catch_warnings():  # the published front ends have bands above half the rate
        warnings.filterwarnings("ignore", "Empty filters")
        return np.asarray(melspectrogram(y=waveform, sr=sample_rate_hz, **settings).T, np.float32)


def load_torch_weights(path: Path) -> dict[str, Any]:
    """The dictionary in a torch file, read without executing anything in it.

    Raises:
        CheckpointError: the file is missing, damaged, or not a plain dictionary.
        MissingExtraError: torch is not installed.
    """
    with needs("bench"):
        import torch
    if not path.is_file():
        advice = "expected a judge's weights"
        if source := SOURCES.get(path.name):
            advice = f"get it from {source} or pass its directory with --weights"
        raise CheckpointError(f"{path}: no such file; {advice}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything on damaged bytes
        raise CheckpointError(
            f"{path}: can't be read as torch weights ({error}); download it again"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: contains a {type(content).__name__}; expected a dictionary")
    return content


def active_level_db(waveform: Waveform, sample_rate_hz: int) -> float:
    """RMS of the speech without its pauses, in dB relative to full scale; -120 for silence."""
    block = round(BLOCK_SECONDS * sample_rate_hz)
    blocks = waveform[: len(waveform) // block * block].reshape(-1, block)
    power = np.mean(blocks.astype(np.float64) ** 2, axis=1)
    active = power[power >= power.max() * 10 ** (-GATE_DB / 10)]
    return float(10 * np.log10(active.mean() + POWER_FLOOR))


def at_level(waveform: Waveform, sample_rate_hz: int, level_db: float) -> Waveform:
    """The waveform scaled to an active level in dBFS; silence stays silence."""
    if not waveform.any():
        return waveform
    gain_db = level_db - active_level_db(waveform, sample_rate_hz)
    return waveform * np.float32(10 ** (gain_db / 20))


def high_band_db(waveform: Waveform, sample_rate_hz: int) -> float:
    """Energy above 4 kHz over all energy, in dB; few-step synthesis tends to be dull."""
    power = np.abs(np.fft.rfft(waveform.astype(np.float64))) ** 2
    high = power[np.fft.rfftfreq(len(waveform), 1 / sample_rate_hz) >= HIGH_BAND_HZ]
    return float(10 * np.log10((high.sum() + POWER_FLOOR) / (power.sum() + POWER_FLOOR)))


@contextmanager
def without_torchaudio() -> Iterator[None]:
    """Replace torchaudio with an empty module while the block imports.

    A torchaudio built for a different torch than the installed one (CUDA with a CPU torch, say)
    would fail the import. One that is already imported stays.
    """
    stands_in = "torchaudio" not in sys.modules
    if stands_in:
        module = ModuleType("torchaudio")
        module.__spec__ = ModuleSpec("torchaudio", None)  # some check it for existence
        sys.modules["torchaudio"] = module
    try:
        yield
    finally:
        if stands_in:
            del sys.modules["torchaudio"]
