"""The three kinds of graph in a bundle, as torch modules that are exported unchanged.

encoder      phonemes (, noise, voice) -> hidden, durations, ranges      once per sentence
frames       hidden, whole durations, pitch (, voice) -> conditioning, F0   once per sentence
denoiser_N   conditioning, source, noise -> waveform, N reverse steps    once per chunk
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlpo.diffusion import Denoise, chain_step, sample
from dlpo.model.build import Model
from dlpo.model.reach import farthest_frame
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule


class SentenceGraph(nn.Module):
    """Shared part of the encoder and frames graphs.

    Args:
        model: its `encode` and `frames` are exported.
        voices: voice names of a `SpectralWaveGrad2`, in the order of their shares; () is all of its
            speakers.
    """

    def __init__(self, model: Model, voices: Sequence[str] = ()) -> None:
        super().__init__()
        self.model = model
        self.voices: Tensor | None
        self.register_buffer("voices", None)
        if isinstance(model, SpectralWaveGrad2):
            offered = voices or model.config.speakers
            self.voices = torch.cat([model.named_voice(voice) for voice in offered]).detach()

    def _voice(self, shares: Tensor | None) -> Tensor:
        """(1, N) shares of the voices, summing to 1 -> (1, V); the first voice if None."""
        if self.voices is None:
            return self.model.named_voice()
        return self.voices[:1] if shares is None else shares @ self.voices


class EncoderGraph(SentenceGraph):
    """One utterance without padding."""

    @property
    def draws_pitch(self) -> bool:
        """Whether it reads noise from which the pitch is drawn."""
        return isinstance(self.model, SpectralWaveGrad2) and self.model.contour is not None

    def forward(
        self, phonemes: Tensor, noise: Tensor | None = None, voice: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode a sentence.

        Args:
            phonemes: (1, P) int64.
            noise: (1, 2, P) standard normal, if the pitch is drawn; None is zeros.
            voice: (1, N) shares of the voices; None is the first voice.

        Returns:
            hidden (1, C, P), durations (1, P) frames, ranges (1, P) frames.
        """
        mask = torch.ones_like(phonemes, dtype=torch.bool)
        return self.model.encode(phonemes, mask, noise, self._voice(voice))


class FramesGraph(SentenceGraph):
    """Symbols to frames, once the host has rounded the durations."""

    def forward(
        self,
        hidden: Tensor,
        durations: Tensor,
        ranges: Tensor,
        positions: Tensor,
        pitch: Tensor,
        voice: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """(1, C, P), (1, P), (1, P), (F,), (1,), shares (1, N) of the voices -> conditioning
        (1, C2, F), F0 (1, F) Hz."""
        voiced = self._voice(voice)
        return self.model.frames(hidden, durations, ranges, positions, pitch, voiced)


class DenoiserGraph(nn.Module):
    """The whole reverse chain, unrolled: levels are constants, all steps share the weights."""

    def __init__(self, model: Model, schedule: NoiseSchedule) -> None:
        super().__init__()
        self.model = model
        self.schedule = schedule
        self.denoise: Denoise = model.denoise

    def forward(self, conditioning: Tensor, source: Tensor, noise: Tensor) -> Tensor:
        """A window of the waveform.

        Args:
            conditioning: (B, C2, F).
            source: (B, F, H), harmonic source; H samples a frame.
            noise: (K, B, F, H), standard normal, K = `schedule.noise_count`.

        Returns:
            (B, F, H), before the voice's gain.
        """
        x0 = sample(
            self.denoise,
            self.schedule,
            conditioning,
            source.flatten(1),
            noise.flatten(2),
            self.model.parametrisation,
            self.model.x0_limit,
        )
        waveform: Tensor = self.model.to_waveform(x0)
        return waveform.reshape(waveform.shape[0], -1, source.shape[2])


class PredictionGraph(nn.Module):
    """The network of one reverse step: identical in all steps, so it is traced once."""

    def __init__(self, denoiser: DenoiserGraph) -> None:
        super().__init__()
        self.model = denoiser.model

    def forward(
        self, noisy: Tensor, noise_level: Tensor, conditioning: Tensor, source: Tensor
    ) -> Tensor:
        """(B, F, 300), (1,), (B, C2, F), (B, F, 300) -> (B, F, 300)."""
        prediction: Tensor = self.model.denoise(
            noisy.flatten(1), noise_level, conditioning, source.flatten(1)
        )
        return prediction.view(noisy.shape)


class StartGraph(nn.Module):
    """(K, B, F, 300) noise -> (B, F, 300), the start of the chain."""

    def forward(self, noise: Tensor) -> Tensor:
        return noise[0]


class UpdateGraph(nn.Module):
    """The arithmetic of one reverse step and, after the last one, the conversion to a waveform."""

    def __init__(self, model: Model, schedule: NoiseSchedule, step: int) -> None:
        super().__init__()
        self.model = model
        self.schedule = schedule
        self.step = step

    def forward(self, noisy: Tensor, prediction: Tensor, noise: Tensor) -> Tensor:
        """(B, F, 300), (B, F, 300), (K, B, F, 300) -> (B, F, 300)."""
        x = chain_step(
            noisy.flatten(1),
            prediction.flatten(1),
            noise.flatten(2),
            self.schedule,
            self.step,
            self.model.parametrisation,
            self.model.x0_limit,
        )
        if self.step == self.schedule.steps - 1:
            x = self.model.to_waveform(x)
        return x.view(noisy.shape)


def frames_context(model: Model, voices: Sequence[str] = ()) -> int:
    """How many frames on each side affect a frame's conditioning and F0, measured by gradients.

    The frame inputs of the frames graph are its positions.
    """
    symbols = 33
    while True:
        frames, centre = 2 * symbols, symbols
        phonemes = 1 + torch.arange(symbols)[None] % 50
        hidden, _, _ = EncoderGraph(model, voices)(phonemes)
        lengths = torch.full((1, symbols), 2.0)  # frames; wide enough that all weights matter
        positions = (torch.arange(frames) + 0.5).requires_grad_()
        with torch.enable_grad():
            conditioning, f0 = FramesGraph(model, voices)(
                hidden.detach(), lengths, lengths, positions, torch.zeros(1)
            )
            middle = conditioning[:, :, centre].sum() + f0[:, centre].sum()
            (gradient,) = torch.autograd.grad(middle, positions)
        reach = farthest_frame(gradient[None, None], centre, frames)
        if reach < centre - 1:  # otherwise it may reach beyond this window
            return reach
        symbols = 2 * symbols - 1
