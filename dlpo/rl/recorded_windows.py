"""Windows of recordings, conditioned as the model's training conditioned them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlpo.model.build import Model
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.rl.conditions import Conditions
from dlpo.training.acoustics import (
    Acoustics,
    FrozenAcoustics,
    measured_prosody,
    predicted_acoustics,
)
from dlpo.training.batches import CONTEXT, Batches, Windows
from dlpo.training.excerpts import ExcerptBatches, Excerpts
from dlpo.training.wavegrad_losses import recorded_conditioning


@dataclass(frozen=True, slots=True)
class RecordedWindows:
    """Windows of recordings with the chain's conditioning."""

    conditions: Conditions
    """of B windows"""
    clean: Tensor
    """(B, T) x_0, in the model's scale"""
    share: tuple[int, int] = (0, 1)
    """Rank of this process and number of processes. Levels and noise are drawn for the windows of
    all processes, so that an update does not depend on their number."""


Cut = Callable[[Sequence[tuple[int, int]], int, tuple[int, int]], RecordedWindows]
"""(utterance, first frame) of each window, frames of each, `RecordedWindows.share` -> windows"""


def recording_cutter(model: Model, batches: Batches, frozen: bool = True) -> Cut:
    """A function that cuts windows and conditions them as the model's training did.

    Args:
        model: in eval mode.
        batches: of the utterances' split.
        frozen: whether everything before its denoiser is, so that it runs once per utterance; if
            not, windows carry its gradient.
    """
    device = next(model.parameters()).device
    if not isinstance(model, WaveGrad2):
        acoustics = FrozenAcoustics(model, batches)

        def cut_acoustic(
            places: Sequence[tuple[int, int]], window: int, share: tuple[int, int]
        ) -> RecordedWindows:
            windows = batches.collate(list(places), window).to(device)
            made = acoustics.of(windows) if frozen else predicted_acoustics(model, windows)
            return recorded_windows(model, windows, made, share)

        return cut_acoustic
    excerpts = ExcerptBatches(batches)

    def cut_published(
        places: Sequence[tuple[int, int]], window: int, share: tuple[int, int]
    ) -> RecordedWindows:
        return recorded_excerpts(model, excerpts.collate(places, window, 0).to(device), share)

    return cut_published


def recorded_windows(
    model: SpectralWaveGrad2,
    windows: Windows,
    acoustics: Acoustics,
    share: tuple[int, int] = (0, 1),
) -> RecordedWindows:
    """Training windows of a spectral model, conditioned on predicted mel as in synthesis.

    Args:
        model: its denoiser's conditioning carries the gradient of whatever learns before it.
        windows: recordings with CONTEXT frames on either side.
        acoustics: `FrozenAcoustics.of(windows)`, or `predicted_acoustics` for their gradient.
        share: see `RecordedWindows.share`.
    """
    voice = model.voice(windows.sentences.voices)
    prosody = measured_prosody(windows)
    conditioning = model.condition(acoustics.upsampled, prosody, acoustics.mel, voice)
    inner = slice(CONTEXT, -CONTEXT)
    conditions = Conditions(
        conditioning[:, :, inner],
        windows.source,
        windows.inside[:, inner].sum(1).round().long(),
    )
    return RecordedWindows(conditions, windows.waveform * model.config.scale, share)


@torch.no_grad()
def recorded_excerpts(
    model: WaveGrad2, excerpts: Excerpts, share: tuple[int, int] = (0, 1)
) -> RecordedWindows:
    """Training windows of the published model, upsampled by recorded durations.

    Args:
        model: in eval mode.
        excerpts: recordings, without context.
        share: see `RecordedWindows.share`.
    """
    sentences = excerpts.sentences
    seen = model.seen(sentences.phonemes, sentences.mask)
    hidden = model.hidden(sentences.phonemes, seen)
    conditioning = recorded_conditioning(model, hidden, excerpts.spectra)
    size, frames = excerpts.spectra.positions.shape
    inside = excerpts.scored.view(size, frames, -1)[:, :, 0].sum(1).long()
    conditions = Conditions(conditioning, torch.zeros_like(excerpts.waveform), inside)
    return RecordedWindows(conditions, excerpts.waveform, share)
