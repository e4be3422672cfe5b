"""Prosody and mel as measured in recordings, and as predicted by a model's first part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from dlpo.model.acoustics import (
    ENERGY_CENTRE,
    ENERGY_SCALE,
    LOG_F0_CENTRE,
    LOG_F0_SCALE,
    MEL_SCALE,
    MEL_SHIFT,
    Prosody,
)
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.training.batches import Batches, Windows

LARGEST_CACHE = 2_000  # utterances, about 1.5 GB


def measured_prosody(windows: Windows) -> Prosody:
    """The recording's prosody in the network's scales."""
    return Prosody(
        (windows.log_f0 - LOG_F0_CENTRE) * LOG_F0_SCALE,
        windows.voicing,
        (windows.energy - ENERGY_CENTRE) * ENERGY_SCALE,
    )


def measured_mel(windows: Windows) -> Tensor:
    """(B, 80, F) the recording's log-mel in the network's scale."""
    return windows.mel * MEL_SCALE + MEL_SHIFT


@dataclass(frozen=True, slots=True)
class Acoustics:
    """Frame conditioning of the denoiser, from the part before it, float32."""

    upsampled: Tensor
    """(B, C, F) hidden sequence"""
    mel: Tensor
    """(B, 80, F) mel predicted from the recording's prosody, in the network's scale"""


def predicted_acoustics(model: SpectralWaveGrad2, windows: Windows) -> Acoustics:
    """A model's predictions from texts, with the durations and prosody of their recordings.

    They carry the gradient of whatever learns before the denoiser.
    """
    sentences = windows.sentences
    voice = model.voice(sentences.voices)
    hidden, timing = model.encode_symbols(sentences.phonemes, sentences.mask, voice)
    upsampled = model.upsample(hidden, sentences.durations, timing.ranges, windows.positions)
    return Acoustics(upsampled, model.predict_mel(upsampled, measured_prosody(windows), voice))


class FrozenAcoustics:
    """The encoder and mel predictor once they are frozen: each utterance is run only once.

    Args:
        model: its first part is frozen and in eval mode.
        batches: of the split whose windows will be requested.
    """

    def __init__(self, model: SpectralWaveGrad2, batches: Batches) -> None:
        self.model = model
        self.batches = batches
        self._whole = lru_cache(LARGEST_CACHE)(self._predicted)

    def of(self, windows: Windows) -> Acoustics:
        """The acoustics of each window, its context included, on the windows' device."""
        length = windows.positions.shape[1]
        rows = []
        for utterance, first in windows.places:
            whole = self._whole(utterance)
            span = slice(first, first + length)
            rows.append((whole.upsampled[0, :, span], whole.mel[0, :, span]))
        device = windows.waveform.device
        hidden, mel = (
            torch.stack([functional.pad(x, (0, length - x.shape[1])) for x in column]).to(device)
            for column in zip(*rows, strict=True)
        )
        return Acoustics(hidden, mel)

    @torch.no_grad()
    def _predicted(self, utterance: int) -> Acoustics:
        """One utterance with its context, (1, C, F + 2 * CONTEXT)."""
        device = next(self.model.parameters()).device
        made = predicted_acoustics(self.model, self.batches.whole(utterance).to(device))
        return Acoustics(made.upsampled.float(), made.mel)
