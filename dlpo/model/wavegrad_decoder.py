"""The decoder of WaveGrad 2: from the frame sequence and a noisy waveform to the noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlpo.config.models import WaveGrad2Config
from dlpo.model.blocks import conv

SLOPE = 0.2  # of every leaky ReLU
LEVEL_SCALE = 5000.0  # noise levels are in (0, 1]; the encoding needs wide steps


def convolution(in_channels: int, out_channels: int, kernel: int, dilation: int = 1) -> nn.Conv1d:
    """A length-preserving convolution, initialized orthogonally with zero bias."""
    made = conv(in_channels, out_channels, kernel, dilation)
    nn.init.orthogonal_(made.weight)
    nn.init.zeros_(made.bias)  # type: ignore[arg-type]
    return made


def activated(x: Tensor) -> Tensor:
    """Leaky ReLU."""
    return F.leaky_relu(x, SLOPE)


def modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Leaky ReLU of `scale * x + shift`, in one pass over the memory."""
    return activated(torch.addcmul(shift, scale, x))


def level_encoding(noise_level: Tensor, channels: int) -> Tensor:
    """(B,) sqrt(alpha_bar) -> (B, C) float32 sinusoids.

    In float64, since the angles reach 5000: their last bit in float32 moves a sinusoid by 5e-4, and
    runtimes round differently.
    """
    places = torch.arange(channels // 2, device=noise_level.device, dtype=torch.float64)
    angles = LEVEL_SCALE * noise_level.double()[:, None] * 1e-4 ** (places / (channels // 2))
    return torch.cat([angles.sin(), angles.cos()], dim=-1).float()


class FiLM(nn.Module):
    """Scale and shift for an upsampling block, from the noisy waveform and the noise level."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.signal = convolution(in_channels, in_channels, 3)
        self.scale = convolution(in_channels, out_channels, 3)
        self.shift = convolution(in_channels, out_channels, 3)

    def forward(self, x: Tensor, noise_level: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, L), (B,) -> scale and shift, (B, C', L) each."""
        x = activated(self.signal(x))
        x = x + level_encoding(noise_level, x.shape[1]).to(x.dtype)[..., None]
        return self.scale(x), self.shift(x)


class DBlock(nn.Module):
    """Lower the rate by `factor`, then three dilated convolutions beside a skip."""

    def __init__(
        self, in_channels: int, out_channels: int, factor: int, dilations: Sequence[int]
    ) -> None:
        super().__init__()
        self.factor = factor
        widths = [in_channels] + [out_channels] * (len(dilations) - 1)
        self.convolutions = nn.ModuleList(
            convolution(width, out_channels, 3, dilation)
            for width, dilation in zip(widths, dilations, strict=True)
        )
        self.skip = convolution(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, L) -> (B, C', L / factor)."""
        x = downsample(x, self.factor)
        skip = self.skip(x)
        for layer in self.convolutions:
            x = layer(activated(x))
        out: Tensor = x + skip
        return out


class UBlock(nn.Module):
    """Raise the rate by `factor`, then three modulated convolutions, in two residual halves."""

    def __init__(
        self, in_channels: int, out_channels: int, factor: int, dilations: Sequence[int]
    ) -> None:
        super().__init__()
        self.factor = factor
        self.first = convolution(in_channels, out_channels, 3, dilations[0])
        self.modulated = nn.ModuleList(
            convolution(out_channels, out_channels, 3, dilation) for dilation in dilations[1:]
        )
        self.skip = convolution(in_channels, out_channels, 1)

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """(B, C, L), (B, C', L * factor) twice -> (B, C', L * factor)."""
        skip = upsample(self.skip(x), self.factor)
        x = self.first(upsample(activated(x), self.factor))
        second, third, fourth = self.modulated
        x = skip + second(modulate(x, scale, shift))
        inner = third(modulate(x, scale, shift))
        out: Tensor = x + fourth(modulate(inner, scale, shift))
        return out


def upsample(x: Tensor, factor: int) -> Tensor:
    """(B, C, L) -> (B, C, L * factor) by linear interpolation, with the ends held."""
    if factor == 1:
        return x
    if torch.compiler.is_exporting():  # torch's own exports to gathers
        return interpolate_by_convolution(x, factor)
    return F.interpolate(x, scale_factor=factor, mode="linear", align_corners=False)


def interpolate_by_convolution(x: Tensor, factor: int) -> Tensor:
    """`F.interpolate(mode="linear", align_corners=False)` as a convolution of each channel.

    (B, C, L) -> (B, C, L * factor). It makes the `factor` values of a sample as channels.
    """
    place = (torch.arange(factor, device=x.device, dtype=x.dtype) + 0.5) / factor - 0.5
    shares = torch.stack([(-place).clamp(min=0), 1 - place.abs(), place.clamp(min=0)], dim=1)
    rows = F.pad(x, (1, 1), mode="replicate").flatten(0, 1)[:, None]  # (B * C, 1, L + 2)
    values = F.conv1d(rows, shares[:, None])  # (B * C, factor, L)
    return values.transpose(1, 2).reshape(*x.shape[:2], -1)


def downsample(x: Tensor, factor: int) -> Tensor:
    """(B, C, L) -> (B, C, L / factor): the middle of each group of samples, interpolated if even.

    As `F.interpolate(mode="linear", align_corners=False)`; L is a multiple of `factor`.
    """
    half = factor // 2
    if factor % 2:
        return x[:, :, half::factor]
    return (x[:, :, half - 1 :: factor] + x[:, :, half::factor]) / 2


class WaveGradDecoder(nn.Module):
    """Predicts the noise in a waveform, given a sequence of frames."""

    def __init__(self, config: WaveGrad2Config) -> None:
        super().__init__()
        down = [config.waveform_channels, *config.down_channels]
        up = [config.conditioning_channels, *config.up_channels]
        repeats = config.blocks_per_scale - 1
        self.read = convolution(1, down[0], 5)
        self.down = nn.ModuleList(
            nn.Sequential(
                DBlock(a, b, factor, config.down_dilations),
                *(DBlock(b, b, 1, config.down_dilations) for _ in range(repeats)),
            )
            for a, b, factor in zip(
                down[:-1], down[1:], reversed(config.up_factors[1:]), strict=True
            )
        )
        self.films = nn.ModuleList(
            FiLM(a, b) for a, b in zip(down, reversed(config.up_channels), strict=True)
        )
        self.condition = convolution(
            config.encoder_channels + config.speaker_channels, config.conditioning_channels, 3
        )
        self.up = nn.ModuleList(
            nn.ModuleList(
                [
                    UBlock(a, b, factor, dilations),
                    *(UBlock(b, b, 1, dilations) for _ in range(repeats)),
                ]
            )
            for a, b, factor, dilations in zip(
                up[:-1], up[1:], config.up_factors, config.up_dilations, strict=True
            )
        )
        self.write = convolution(config.up_channels[-1], 1, 3)

    def forward(self, noisy: Tensor, noise_level: Tensor, conditioning: Tensor) -> Tensor:
        """(B, T), (B,), (B, C, F) -> (B, T), eps."""
        x = self.read(noisy[:, None])  # (B, C, T)
        modulations = [self.films[0](x, noise_level)]
        for down, film in zip(self.down, self.films[1:], strict=True):
            x = down(x)
            modulations.append(film(x, noise_level))
        x = self.condition(conditioning)  # (B, C, F)
        for blocks, (scale, shift) in zip(self.up, reversed(modulations), strict=True):
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, scale, shift)
        eps: Tensor = self.write(x)
        return eps.squeeze(1)
