"""Windows of recordings, conditioned as the model's training conditioned them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from dlpo.model.build import Model
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.rl.core.policy import RecordedSamples
from dlpo.rl.spoken_chain import speech_conditions
from dlpo.training.acoustics import (
    Acoustics,
    FrozenAcoustics,
    measured_prosody,
    predicted_acoustics,
)
from dlpo.training.batches import CONTEXT, Batches, Windows
from dlpo.training.excerpts import ExcerptBatches, Excerpts
from dlpo.training.wavegrad_losses import recorded_conditioning

Cut = Callable[[Sequence[tuple[int, int]], int, tuple[int, int]], RecordedSamples]
"""(utterance, first frame) of each window, frames of each, `RecordedSamples.share` -> windows"""


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
        ) -> RecordedSamples:
            windows = batches.collate(list(places), window).to(device)
            made = acoustics.of(windows) if frozen else predicted_acoustics(model, windows)
            return recorded_windows(model, windows, made, share)

        return cut_acoustic
    excerpts = ExcerptBatches(batches)

    def cut_published(
        places: Sequence[tuple[int, int]], window: int, share: tuple[int, int]
    ) -> RecordedSamples:
        return recorded_excerpts(model, excerpts.collate(places, window, 0).to(device), share)

    return cut_published


def recorded_windows(
    model: SpectralWaveGrad2,
    windows: Windows,
    acoustics: Acoustics,
    share: tuple[int, int] = (0, 1),
) -> RecordedSamples:
    """Training windows of a spectral model, conditioned on predicted mel as in synthesis.

    Args:
        model: its denoiser's conditioning carries the gradient of whatever learns before it.
        windows: recordings with CONTEXT frames on either side.
        acoustics: `FrozenAcoustics.of(windows)`, or `predicted_acoustics` for their gradient.
        share: see `RecordedSamples.share`.
    """
    voice = model.voice(windows.sentences.voices)
    prosody = measured_prosody(windows)
    conditioning = model.condition(acoustics.upsampled, prosody, acoustics.mel, voice)
    inner = slice(CONTEXT, -CONTEXT)
    conditions = speech_conditions(
        conditioning[:, :, inner],
        windows.source,
        windows.inside[:, inner].sum(1).round().long(),
    )
    return RecordedSamples(conditions, windows.waveform * model.config.scale, share)


@torch.no_grad()
def recorded_excerpts(
    model: WaveGrad2, excerpts: Excerpts, share: tuple[int, int] = (0, 1)
) -> RecordedSamples:
    """Training windows of the published model, upsampled by recorded durations.

    Args:
        model: in eval mode.
        excerpts: recordings, without context.
        share: see `RecordedSamples.share`.
    """
    sentences = excerpts.sentences
    seen = model.seen(sentences.phonemes, sentences.mask)
    hidden = model.hidden(sentences.phonemes, seen)
    conditioning = recorded_conditioning(model, hidden, excerpts.spectra)
    size, frames = excerpts.spectra.positions.shape
    inside = excerpts.scored.view(size, frames, -1)[:, :, 0].sum(1).long()
    conditions = speech_conditions(conditioning, torch.zeros_like(excerpts.waveform), inside)
    return RecordedSamples(conditions, excerpts.waveform, share)
