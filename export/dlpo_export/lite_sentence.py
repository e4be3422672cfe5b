"""`lite`'s encoder and frames graph as they are exported: the functions of `dlpo.model.lite`, with
channels last.

Normalisations then work on the last axis, and each convolution is a matrix product whose factors
lie as a processor reads them (`products.py`). One utterance without padding: no masks.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.model.acoustics import LOG_F0_CENTRE, LOG_F0_SCALE, MIN_RANGE, join_contour
from dlpo.model.blocks import AttentionBlock, ConvBlock
from dlpo.model.contour import POINTS, upsample_contour
from dlpo.model.gaussian_upsampling import upsampling_weights
from dlpo.model.lite import LiteWaveGrad2
from dlpo.text.symbols import FIRST_PHONEME
from dlpo_export.layouts import ChannelsLast


class LiteSentence(nn.Module):
    """What comes before the denoiser; `encode` and `frames` have the contracts of the model's."""

    def __init__(self, model: LiteWaveGrad2) -> None:
        super().__init__()
        layout = ChannelsLast()
        self.channels = model.config.hidden_channels
        self.contour = model.contour
        self.embedding = model.embedding
        self.prenet = layout.convolution(model.prenet)
        self.encoder = nn.Sequential()
        for pair in model.encoder:
            convolution, attention = cast(nn.ModuleList, pair)
            self.encoder.append(
                nn.Sequential(
                    _Block(cast(ConvBlock, convolution)),
                    _Attention(cast(AttentionBlock, attention)),
                )
            )
        self.timing_blocks = _blocks(model.timing_blocks)
        self.timing_out = layout.convolution(model.timing_out)

        self.duration_in = layout.convolution(model.duration_in)
        self.prosody_blocks = _blocks(model.prosody_blocks)
        self.prosody_out = layout.convolution(model.prosody_out)
        self.prosody_in = layout.convolution(model.prosody_in)
        self.mel_blocks = _blocks(model.mel_blocks)
        self.mel_out = layout.convolution(model.mel_out)
        self.conditioning_in = layout.convolution(model.conditioning_in)
        self.conditioning_blocks = _blocks(model.conditioning_blocks)

    def encode(
        self, phonemes: Tensor, mask: Tensor, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `LiteWaveGrad2.encode`; the mask is taken to be true throughout."""
        x = self.embedding(phonemes)
        x = self.encoder(x + self.prenet(x))
        timing = self.timing_out(self.timing_blocks(x))
        log_duration, pause_logit, width = timing.unbind(2)
        silent = (phonemes < FIRST_PHONEME) & (pause_logit < 0)
        durations = log_duration.exp() * (~silent).to(log_duration.dtype)
        hidden = x.transpose(1, 2)
        if self.contour is not None:
            if noise is None:
                noise = durations.new_zeros(len(phonemes), POINTS, phonemes.shape[1])
            hidden = join_contour(hidden, self.contour.draw(phonemes, mask, durations, noise))
        return hidden, durations, functional.softplus(width) + MIN_RANGE

    def frames(
        self, hidden: Tensor, durations: Tensor, ranges: Tensor, positions: Tensor, pitch: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `LiteWaveGrad2.frames`."""
        points = None
        if self.contour is not None:
            hidden, points = hidden.tensor_split((self.channels,), dim=1)
        symbols = hidden.transpose(1, 2) + self.duration_in(torch.log1p(durations)[:, :, None])
        upsampled = upsampling_weights(durations, ranges, positions) @ symbols  # (B, F, C)
        log_f0, voicing, energy = self.prosody_out(self.prosody_blocks(upsampled)).unbind(2)
        if points is not None:
            log_f0 = upsample_contour(points, durations, positions)
        log_f0 = log_f0 + pitch[:, None] * (math.log(2) / 12 * LOG_F0_SCALE)
        voicing = (voicing > 0).to(voicing.dtype)
        told = torch.stack([log_f0 * voicing, voicing, energy], dim=2)
        mel = self.mel_out(self.mel_blocks(upsampled + self.prosody_in(told)))
        joined = torch.cat([upsampled, mel, told[:, :, :2]], dim=2)
        conditioning = self.conditioning_blocks(self.conditioning_in(joined))
        f0 = torch.exp(log_f0 / LOG_F0_SCALE + LOG_F0_CENTRE) * voicing
        return conditioning.transpose(1, 2), f0


class _Block(nn.Module):
    """`ConvBlock` on (B, F, C)."""

    def __init__(self, block: ConvBlock) -> None:
        super().__init__()
        layout = ChannelsLast()
        self.norm = block.norm.norm
        self.widen, self.narrow = layout.convolution(block.widen), layout.convolution(block.narrow)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.narrow(functional.gelu(self.widen(self.norm(x))))
        return out


class _Attention(nn.Module):
    """`AttentionBlock` on (B, P, C)."""

    def __init__(self, block: AttentionBlock) -> None:
        super().__init__()
        layout = ChannelsLast()
        self.heads = block.heads
        self.norm = block.norm.norm
        self.project_in = layout.convolution(block.project_in)
        self.project_out = layout.convolution(block.project_out)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, channels = x.shape
        joined = self.project_in(self.norm(x))
        joined = joined.view(batch, length, 3, self.heads, channels // self.heads)
        query, key, value = joined.permute(2, 0, 3, 1, 4)  # each (B, heads, P, C / heads)
        logits = query @ key.transpose(2, 3) / math.sqrt(channels // self.heads)
        attended = torch.softmax(logits, dim=-1) @ value
        out: Tensor = x + self.project_out(attended.transpose(1, 2).flatten(2))
        return out


def _blocks(blocks: nn.ModuleList | nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*(_Block(cast(ConvBlock, block)) for block in blocks))
