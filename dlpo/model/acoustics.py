"""Everything before the denoiser: from phonemes to the log-mel of each frame.

    phonemes -> encoder -> durations -> Gaussian upsampling -> F0, voicing, energy -> log-mel

A contour, if there is one, replaces the F0 that is predicted frame by frame: see
`dlpo.model.contour`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.config.models import SpectralConfig
from dlpo.model.blocks import (
    Adapter,
    ConvBlock,
    ConvNextBlock,
    SymbolBlock,
    conv,
    without_padding,
)
from dlpo.model.contour import POINTS, Contour, upsample_contour
from dlpo.model.gaussian_upsampling import gaussian_upsample
from dlpo.text.symbols import FIRST_PHONEME

MEL_BANDS = 80
MEL_SCALE, MEL_SHIFT = 0.5, 0.4  # brings log-mel to about zero mean, unit spread
LOG_F0_CENTRE, LOG_F0_SCALE = 5.3, 3.0  # 200 Hz; about unit spread for one speaker
ENERGY_CENTRE, ENERGY_SCALE = -3.5, 0.7
MIN_RANGE = 0.3  # frames; the narrowest a symbol may be in the upsampling


@dataclass(frozen=True, slots=True)
class Timing:
    """The encoder's prediction of each symbol's length."""

    log_duration: Tensor
    """(B, P) log of frames, for sounding symbols"""
    pause_logit: Tensor
    """(B, P) log-odds that a mark is a pause at all"""
    ranges: Tensor
    """(B, P) standard deviation in frames of the symbol's weight in the upsampling"""


@dataclass(frozen=True, slots=True)
class Prosody:
    """One value per frame, each (B, F), on the network's own scales."""

    log_f0: Tensor
    """(ln Hz - 5.3) * 3; meaningless where unvoiced"""
    voicing: Tensor
    """log-odds of being voiced, or exactly 0 and 1 when measured"""
    energy: Tensor
    """(log RMS + 3.5) * 0.7"""


class AcousticModel(nn.Module, ABC):
    """Encoder and frame predictors; a subclass adds `condition` and `denoise`.

    Args:
        config: widths and numbers of blocks.
    """

    def __init__(self, config: SpectralConfig) -> None:
        super().__init__()
        self.config = config
        c, p = config.hidden_channels, config.encoder_dropout

        def frame_block() -> ConvNextBlock:
            return ConvNextBlock(c, 2 * c, config.frame_dropout)

        self.embedding = nn.Embedding(config.symbols, c, padding_idx=0)
        self.prenet = conv(c, c, 5)
        self.encoder = nn.ModuleList(SymbolBlock(c, p) for _ in range(config.encoder_blocks))
        self.timing_blocks = nn.ModuleList([ConvBlock(c, 3, p), ConvBlock(c, 3, p)])
        self.timing_out = conv(c, 3, 1)

        self.duration_in = conv(1, c, 1)
        self.prosody_blocks = nn.ModuleList(frame_block() for _ in range(config.prosody_blocks))
        self.prosody_out = conv(c, 3, 1)
        self.prosody_in = conv(3, c, 3)
        self.mel_blocks = nn.ModuleList(frame_block() for _ in range(config.mel_blocks))
        self.mel_out = conv(c, MEL_BANDS, 1)
        self.contour = Contour(config.contour, config.symbols) if config.contour else None
        adapted = {
            "encoder": self.encoder,
            "timing": self.timing_blocks,
            "prosody": self.prosody_blocks,
            "mel": self.mel_blocks,
        }
        self.adapters = nn.ModuleDict()
        for part, blocks in adapted.items() if config.adapter_channels else ():
            beside = (Adapter(c, config.adapter_channels) for _ in blocks)
            self.adapters[part] = nn.ModuleList(beside)

    # ------------------------------------------------------------------ once per sentence
    def encode_symbols(
        self, phonemes: Tensor, mask: Tensor, voice: Tensor
    ) -> tuple[Tensor, Timing]:
        """Hidden sequence and timing of a batch of utterances.

        Args:
            phonemes: (B, P) int64 symbol ids.
            mask: (B, P) bool, true where there is a symbol.
            voice: (B, V) from `SpectralWaveGrad2.voice`.

        Returns:
            (B, C, P) hidden sequence, and the timing.
        """
        keep = mask[:, None].to(self.prenet.weight.dtype)
        x = self.embedding(phonemes).transpose(1, 2)
        x = x + voice[:, : x.shape[1], None]
        x = x + self.prenet(without_padding(x, keep))
        x = self._run("encoder", self.encoder, x, voice, keep, mask)
        return x, self.predict_timing(x, mask, voice)

    def predict_timing(self, hidden: Tensor, mask: Tensor, voice: Tensor) -> Timing:
        """(B, C, P) from the encoder, (B, P), (B, V) -> the length of each symbol."""
        keep = mask[:, None].to(hidden.dtype)
        timing = self._run("timing", self.timing_blocks, hidden, voice, keep)
        log_duration, pause_logit, width = self.timing_out(timing).float().unbind(1)
        return Timing(log_duration, pause_logit, functional.softplus(width) + MIN_RANGE)

    def encode(
        self,
        phonemes: Tensor,
        mask: Tensor,
        noise: Tensor | None,
        voice: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode a batch of utterances for `frames`.

        Args:
            phonemes, mask, voice: see `encode_symbols`.
            noise: (B, 2, P) standard normal, from which a voice with a contour draws its pitch;
                None is zeros, the calmest contour.

        Returns:
            (B, C, P) hidden, plus two channels for the contour if there is one; (B, P) durations
            in frames, not rounded, 0 for a mark that is not a pause; (B, P) ranges in frames.
        """
        hidden, timing = self.encode_symbols(phonemes, mask, voice)
        durations = self.durations(phonemes, mask, timing)
        if self.contour is not None:
            if noise is None:
                noise = durations.new_zeros(len(phonemes), POINTS, phonemes.shape[1])
            own = voice[:, -self.contour.config.channels - 3 :]
            contour = self.contour.draw(phonemes, mask, durations, noise, own)
            scaled = (contour - LOG_F0_CENTRE) * LOG_F0_SCALE  # (B, 2, P) in the network's scale
            hidden = torch.cat([hidden, scaled.to(hidden.dtype)], dim=1)
        return hidden, durations, timing.ranges

    def durations(self, phonemes: Tensor, mask: Tensor, timing: Timing) -> Tensor:
        """(B, P) frames, not rounded; 0 for a mark that is not a pause."""
        silent = (phonemes < FIRST_PHONEME) & (timing.pause_logit < 0)
        sounding = (mask & ~silent).to(timing.log_duration.dtype)
        return timing.log_duration.exp() * sounding

    def frames(
        self,
        hidden: Tensor,
        durations: Tensor,
        ranges: Tensor,
        positions: Tensor,
        pitch: Tensor,
        voice: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The denoiser's conditioning, and F0.

        Args:
            hidden: (B, C, P) from `encode`.
            durations: (B, P) whole frames.
            ranges: (B, P) frames.
            positions: (F,) or (B, F) centres of the requested frames, 0.5 for the first.
            pitch: (B,) semitones to add to F0.
            voice: (B, V) from `SpectralWaveGrad2.voice`.

        Returns:
            (B, C2, F) conditioning, and (B, F) F0 in Hz, 0 where unvoiced.
        """
        points = None
        if self.contour is not None:
            hidden, points = hidden.tensor_split((self.embedding.embedding_dim,), dim=1)
        upsampled = self.upsample(hidden, durations, ranges, positions)
        prosody = self.predict_prosody(upsampled, voice)
        if points is not None:
            prosody = replace(prosody, log_f0=upsample_contour(points, durations, positions))
        return self.conditioned(upsampled, prosody, pitch, voice)

    def conditioned(
        self, upsampled: Tensor, prosody: Prosody, pitch: Tensor, voice: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B, C, F), its prosody, (B,) semitones, (B, V) -> the same as `frames`."""
        shift = pitch[:, None] * (math.log(2) / 12 * LOG_F0_SCALE)
        voicing = (prosody.voicing > 0).to(prosody.voicing.dtype)
        shifted = Prosody(prosody.log_f0 + shift, voicing, prosody.energy)
        mel = self.predict_mel(upsampled, shifted, voice)
        f0 = torch.exp(shifted.log_f0 / LOG_F0_SCALE + LOG_F0_CENTRE) * voicing
        return self.condition(upsampled, shifted, mel, voice), f0

    def upsample(
        self, hidden: Tensor, durations: Tensor, ranges: Tensor, positions: Tensor
    ) -> Tensor:
        """(B, C, P) -> (B, C, F) by Gaussian upsampling, with each duration in its hidden state."""
        hidden = hidden + self.duration_in(torch.log1p(durations)[:, None])
        return gaussian_upsample(hidden, durations, ranges, positions)

    def predict_prosody(self, upsampled: Tensor, voice: Tensor) -> Prosody:
        """(B, C, F), (B, V) -> F0, voicing and energy of each frame."""
        hidden = self._run("prosody", self.prosody_blocks, upsampled, voice)
        return Prosody(*self.prosody_out(hidden).float().unbind(1))

    def predict_mel(self, upsampled: Tensor, prosody: Prosody, voice: Tensor) -> Tensor:
        """(B, C, F), its prosody, (B, V) -> (B, 80, F) log-mel in the network's scale."""
        curves = torch.stack(
            [prosody.log_f0 * prosody.voicing, prosody.voicing, prosody.energy], dim=1
        )
        hidden = upsampled + self.prosody_in(curves.to(upsampled.dtype))
        hidden = self._run("mel", self.mel_blocks, hidden, voice)
        mel: Tensor = self.mel_out(hidden).float()
        return mel

    def _run(
        self, part: str, blocks: nn.ModuleList, x: Tensor, voice: Tensor, *masks: Tensor
    ) -> Tensor:
        """(B, C, L), (B, V) -> (B, C, L) after blocks, each with its adapter if there are any."""
        config = self.config
        first = config.hidden_channels + config.conditioning_channels
        gates = voice[:, first : first + config.adapter_channels]
        for i, block in enumerate(blocks):
            x = block(x, *masks)
            if self.adapters:
                x = cast(nn.ModuleList, self.adapters[part])[i](x, gates)
        return x

    @abstractmethod
    def condition(self, upsampled: Tensor, prosody: Prosody, mel: Tensor, voice: Tensor) -> Tensor:
        """Join hidden sequence, mel and F0 -> (B, C2, F), the same in every step."""
