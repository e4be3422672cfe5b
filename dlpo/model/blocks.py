"""The residual blocks of `spectral`, and its noise-level embedding."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.audio import PRE_EMPHASIS

LONGEST_BLOCK = 32  # samples of a product in `de_emphasise`
RESPONSE = 240  # samples; what is left of an impulse after them is below 24 bits


def conv(channels_in: int, channels_out: int, kernel: int, dilation: int = 1) -> nn.Conv1d:
    """A length-preserving convolution (odd kernels)."""
    return nn.Conv1d(
        channels_in,
        channels_out,
        kernel,
        padding=dilation * (kernel - 1) // 2,
        dilation=dilation,
    )


class ChannelNorm(nn.Module):
    """Layer normalization over the channels of (B, C, F)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return out


def without_padding(x: Tensor, keep: Tensor) -> Tensor:
    """`x` (B, C, P), 0 where `keep` (B, 1, P) is; a graph reads one sentence, without padding."""
    return x if torch.compiler.is_exporting() else x * keep


class ConvBlock(nn.Module):
    """(B, C, F) -> (B, C, F): norm, convolution to twice the width, GELU, back; residual.

    `keep` (B, 1, F) is 0 at padding, which then looks to its neighbors like the end of the row.
    """

    def __init__(self, channels: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.widen = conv(channels, 2 * channels, kernel)
        self.narrow = conv(2 * channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        normed = self.norm(x) if keep is None else without_padding(self.norm(x), keep)
        hidden = self.dropout(functional.gelu(self.widen(normed)))
        out: Tensor = x + self.narrow(hidden)
        return out


class ConvNextBlock(nn.Module):
    """(B, C, L) -> (B, C, L): depthwise convolution, norm, two pointwise layers; residual.

    Args:
        channels: C.
        inner: width between the two layers.
        dropout: probability, of the inner values.
        level_channels: width of the noise-level embedding, which scales and shifts the normalized
            values; 0 for a block that doesn't depend on it.

    Reference: Liu et al. 2022 (ConvNeXt), https://arxiv.org/abs/2201.03545; Siuzdak 2023 (Vocos)
    for speech.
    """

    def __init__(
        self, channels: int, inner: int, dropout: float = 0.0, level_channels: int = 0
    ) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, inner)
        self.narrow = nn.Linear(inner, channels)
        self.gain = nn.Parameter(torch.full((channels,), 1 / 6))
        self.dropout = nn.Dropout(dropout)
        self.modulate = nn.Linear(level_channels, 2 * channels) if level_channels else None
        if self.modulate is not None:
            nn.init.zeros_(self.modulate.weight)
            nn.init.zeros_(self.modulate.bias)

    def forward(self, x: Tensor, level: Tensor | None = None) -> Tensor:
        y: Tensor = self.norm(self.depthwise(x).transpose(1, 2))  # (B, L, C)
        if self.modulate is not None and level is not None:
            scale, shift = self.modulate(level)[:, None].chunk(2, -1)
            y = y * (1 + scale) + shift
        y = self.gain * self.narrow(self.dropout(functional.gelu(self.widen(y))))
        out: Tensor = x + y.transpose(1, 2)
        return out


class Adapter(nn.Module):
    """(B, C, L) -> (B, C, L): a narrow layer beside a block, for voices added later; residual.

    `gates` (B, R) are a voice's weights for the inner channels. With gates of 0 a voice's sequence
    stays bit-identical, so training an adapter changes no other voice.

    Reference: Houlsby et al. 2019, https://arxiv.org/abs/1902.00751.
    """

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(channels, inner)
        self.widen = nn.Linear(inner, channels, bias=False)

    def forward(self, x: Tensor, gates: Tensor) -> Tensor:
        y: Tensor = functional.gelu(self.narrow(x.transpose(1, 2))) * gates[:, None]
        out: Tensor = x + self.widen(y).transpose(1, 2)
        return out


class AttentionBlock(nn.Module):
    """(B, C, P) -> (B, C, P): self-attention over the symbols present; residual."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = ChannelNorm(channels)
        self.project_in = conv(channels, 3 * channels, 1)
        self.project_out = conv(channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        joined = self.project_in(self.norm(x)).transpose(1, 2)  # (B, P, 3 C)
        split = joined.reshape(*joined.shape[:2], 3, self.heads, -1)
        query, key, value = split.transpose(1, 3).unbind(2)  # each (B, heads, P, C / heads)
        if torch.compiler.is_exporting():  # one sentence, without padding
            scores = query * query.shape[-1] ** -0.5 @ key.transpose(2, 3)
            attended = scores.softmax(-1) @ value
        else:
            attended = functional.scaled_dot_product_attention(
                query, key, value, attn_mask=mask[:, None, None]
            )
        attended = attended.transpose(1, 2).flatten(2).transpose(1, 2)
        out: Tensor = x + self.dropout(self.project_out(attended))
        return out


class SymbolBlock(nn.ModuleList):
    """(B, C, P) -> (B, C, P): a convolution over neighbors, then self-attention; residual.

    A list, since checkpoints name its weights by number.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__([ConvBlock(channels, 5, dropout), AttentionBlock(channels, 2, dropout)])

    def forward(self, x: Tensor, keep: Tensor, mask: Tensor) -> Tensor:
        """`keep` (B, 1, P) is `mask` (B, P) in the dtype of x."""
        convolution, attention = self
        out: Tensor = attention(convolution(x, keep), mask)
        return out


def de_emphasise(waveform: Tensor, hop: int) -> Tensor:
    """The inverse of `dlpo.audio.pre_emphasise`, y_n = x_n + a y_(n-1), within 24 bits.

    In blocks of m samples: a product within each, then what all blocks before it leave,
    sum_k b^k z^k = (1 + b z)(1 + b^2 z^2)(1 + b^4 z^4) ... with b = a^m.

    Args:
        waveform: (B, T).
        hop: samples; T is a multiple of it.

    Returns:
        (B, T).
    """
    m = max(n for n in range(1, LONGEST_BLOCK + 1) if hop % n == 0)
    lags = torch.arange(m, device=waveform.device)
    decay = PRE_EMPHASIS ** (lags + 1).to(waveform.dtype)
    response = PRE_EMPHASIS ** (lags[:, None] - lags).abs().to(waveform.dtype)
    blocks = waveform.view(waveform.shape[0], -1, m) @ response.tril().T
    left = blocks[..., -1]  # (B, T / m)
    shift = 1  # blocks
    while m * shift < RESPONSE:
        left = left + PRE_EMPHASIS ** (m * shift) * _delayed(left, shift)
        shift *= 2
    return (blocks + _delayed(left, 1)[..., None] * decay).flatten(1)


def _delayed(x: Tensor, shift: int) -> Tensor:
    return functional.pad(x, (shift, 0))[:, : x.shape[1]]


class LevelEmbedding(nn.Module):
    """(B,) noise level -> (B, C): sinusoids of the diffusion angle arccos(sqrt(alpha_bar)).

    Args:
        channels: C.
        highest: frequency of the fastest sinusoid, radians over the whole range of levels.
    """

    def __init__(self, channels: int, highest: float) -> None:
        super().__init__()
        self.channels = channels
        self.highest = highest
        self.mix = nn.Sequential(
            nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, channels)
        )

    def forward(self, noise_level: Tensor) -> Tensor:
        frequencies = torch.exp(
            torch.linspace(0, math.log(self.highest), self.channels // 2, device=noise_level.device)
        )
        angle = torch.arccos(noise_level.clamp(-1, 1)) * (2 / math.pi)
        phases = angle[:, None] * frequencies
        out: Tensor = self.mix(torch.cat([phases.sin(), phases.cos()], dim=1))
        return out
