"""WaveGrad 2, `mini`, `base` and `large`: text to waveform by diffusion at the full sample rate.

The decoder is WaveGrad's: a waveform branch down, a frame branch up, joined by FiLM at every rate.

References: Chen et al. 2021, https://arxiv.org/abs/2106.09660, with the widths of the MINDs Lab
reproduction; Chen et al. 2020, https://arxiv.org/abs/2009.00713, figures 3 to 5.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlpo.config import Parametrisation
from dlpo.config.models import WaveGrad2Config
from dlpo.errors import ConfigError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.model.blocks import conv
from dlpo.model.gaussian_upsampling import gaussian_upsample

FRAMES_PER_SECOND = PUBLISHED_GRID.frames_per_s  # durations are predicted in seconds
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


class BidirectionalLSTM(nn.Module):
    """An LSTM in each direction, stacked; padding at the end changes nothing before it.

    Two one-way LSTMs and a length-aware reversal instead of packed sequences: the same mathematics,
    and it exports as it stands.
    """

    def __init__(self, in_channels: int, channels: int, layers: int) -> None:
        super().__init__()
        sizes = [in_channels] + [2 * channels] * (layers - 1)
        self.forwards = nn.ModuleList(nn.LSTM(n, channels, batch_first=True) for n in sizes)
        self.backwards = nn.ModuleList(nn.LSTM(n, channels, batch_first=True) for n in sizes)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, P, C), (B, P) bool -> (B, P, 2 * channels)."""
        place = torch.arange(x.shape[1], device=x.device)
        mirrored = mask.sum(-1, keepdim=True) - 1 - place
        order = torch.where(mirrored >= 0, mirrored, place)[..., None]  # (B, P, 1), its own inverse
        for forwards, backwards in zip(self.forwards, self.backwards, strict=True):
            ahead, _ = forwards(x)
            back, _ = backwards(x.gather(1, order.expand_as(x)))
            x = torch.cat([ahead, back.gather(1, order.expand_as(back))], dim=-1)
        return x


def closed_up(x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """The rows that are present, first and in order, then zeros; and where such rows are.

    (B, P, C), (B, P) bool -> (B, P, C), (B, P) bool. As a product, which exports as it stands.
    """
    rank, place = present.cumsum(1) - 1, torch.arange(x.shape[1], device=x.device)
    chosen = (rank[:, None] == place[:, None]) & present[:, None]  # (B, P, P)
    return chosen.to(x.dtype) @ x, chosen.any(-1)


def spread_out(x: Tensor, present: Tensor) -> Tensor:
    """The inverse of `closed_up`; each absent row repeats the present one before it."""
    rank = (present.cumsum(1) - 1).clamp(min=0)
    return x.gather(1, rank[..., None].expand_as(x))


class TextEncoder(nn.Module):
    """Symbol embedding, convolutions and an LSTM, as in Tacotron 2."""

    def __init__(self, config: WaveGrad2Config) -> None:
        super().__init__()
        channels = config.encoder_channels
        self.embedding = nn.Embedding(config.symbols, channels)
        self.convolutions = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(channels, channels, 5, padding=2),
                nn.BatchNorm1d(channels),
                nn.ReLU(),
                nn.Dropout(config.dropout),
            )
            for _ in range(config.encoder_layers)
        )
        self.lstm = BidirectionalLSTM(channels, channels // 2, layers=1)
        self.has_gaps = bool(config.unseen_symbols)

    def forward(self, phonemes: Tensor, mask: Tensor) -> Tensor:
        """(B, P) int64, (B, P) bool, False at symbols to pass over -> (B, P, C)."""
        x, present = self.embedding(phonemes), mask
        if self.has_gaps:
            x, mask = closed_up(x, present)
        x = x.transpose(1, 2)  # (B, C, P)
        for convolution in self.convolutions:
            x = convolution(x * mask[:, None])
        out: Tensor = self.lstm(x.transpose(1, 2), mask)
        return spread_out(out, present) if self.has_gaps else out


class SymbolPredictor(nn.Module):
    """One number for each symbol: a two-layer LSTM and a linear map."""

    def __init__(self, in_channels: int, channels: int, has_gaps: bool) -> None:
        super().__init__()
        self.lstm = BidirectionalLSTM(in_channels, channels, layers=2)
        self.out = nn.Linear(2 * channels, 1, bias=False)
        self.has_gaps = has_gaps

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, P, C), (B, P) bool, False at symbols to pass over -> (B, P)."""
        present = mask
        if self.has_gaps:
            x, mask = closed_up(x, present)
        out: Tensor = self.out(self.lstm(x, mask))
        return (spread_out(out, present) if self.has_gaps else out).squeeze(-1)


class WaveGrad2(nn.Module):
    """The published model behind the interface that all sizes share.

    It predicts no F0 and ignores pitch and the harmonic source.
    """

    parametrisation: Parametrisation = "eps"
    uses_source = False
    x0_limit: float | None = 1.0
    """bound on |x0| in each step of a chain, as published"""

    def __init__(self, config: WaveGrad2Config) -> None:
        super().__init__()
        if config.grid != PUBLISHED_GRID:
            raise ConfigError(
                f"WaveGrad2Config.up_factors multiply to {config.hop_length}; expected "
                f"{PUBLISHED_GRID.hop_length}, the hop length"
            )
        self.config = config
        hidden_channels = config.encoder_channels + config.speaker_channels
        self.encoder = TextEncoder(config)
        self.speaker = nn.Parameter(torch.randn(config.speaker_channels))
        width, has_gaps = config.predictor_channels, bool(config.unseen_symbols)
        self.duration_predictor = SymbolPredictor(hidden_channels, width, has_gaps)
        self.range_predictor = SymbolPredictor(hidden_channels + 1, width, has_gaps)
        self.decoder = WaveGradDecoder(config)

    def seen(self, phonemes: Tensor, mask: Tensor) -> Tensor:
        """(B, P) int64, (B, P) bool, False at padding -> (B, P) bool, False at what the encoder
        isn't shown either: the mask that the functions below take."""
        for symbol in self.config.unseen_symbols:
            mask = mask & (phonemes != symbol)
        return mask

    def hidden(self, phonemes: Tensor, mask: Tensor) -> Tensor:
        """(B, P) int64, (B, P) bool of `seen` -> (B, C, P): encoder output and speaker."""
        encoded = self.encoder(phonemes, mask)
        speaker = self.speaker.expand(*encoded.shape[:2], -1)
        return torch.cat([encoded, speaker], dim=-1).transpose(1, 2)

    def predict_durations(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(B, C, P) -> (B, P) frames, not clamped (for the loss); 0 at padding."""
        seconds: Tensor = self.duration_predictor(hidden.transpose(1, 2), mask)
        return seconds * FRAMES_PER_SECOND * mask

    def predict_ranges(self, hidden: Tensor, durations: Tensor, mask: Tensor) -> Tensor:
        """(B, C, P), (B, P) frames -> (B, P) frames, > 0; true durations in training."""
        x = torch.cat([hidden.transpose(1, 2), durations[..., None]], dim=-1)
        return F.softplus(self.range_predictor(x, mask))

    def named_voice(self, name: str | None = None) -> Tensor:
        """(1, 0): it has one voice, which is part of its weights."""
        return self.speaker.new_zeros(1, 0)

    def encode(
        self,
        phonemes: Tensor,
        mask: Tensor,
        noise: Tensor | None = None,
        voice: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode the text and predict how long each symbol lasts.

        Args:
            phonemes: (B, P) int64, indices of `dlpo.text.symbols.SYMBOLS`.
            mask: (B, P) bool, False at padding, which is at the end.
            noise, voice: ignored.

        Returns:
            hidden (B, C, P); durations (B, P) frames >= 0; ranges (B, P) frames, std > 0.
        """
        mask = self.seen(phonemes, mask)
        hidden = self.hidden(phonemes, mask)
        durations = self.predict_durations(hidden, mask).clamp(min=0)
        return hidden, durations, self.predict_ranges(hidden, durations, mask)

    def frames(
        self,
        hidden: Tensor,
        durations: Tensor,
        ranges: Tensor,
        positions: Tensor,
        pitch: Tensor,
        voice: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The conditioning of each frame.

        Args:
            hidden: (B, C, P).
            durations, ranges: (B, P) frames.
            positions: (F,) or (B, F) frames, the middle of each.
            pitch: (B,) semitones, ignored, as is `voice`.

        Returns:
            conditioning (B, C, F); F0 (B, F), all 0.
        """
        places = positions + (self.config.frame_place - 0.5)
        conditioning = gaussian_upsample(hidden, durations, ranges, places)
        return conditioning, torch.zeros_like(conditioning[:, 0])

    def denoise(
        self, noisy: Tensor, noise_level: Tensor, conditioning: Tensor, source: Tensor
    ) -> Tensor:
        """The noise in a waveform.

        Args:
            noisy: (B, T).
            noise_level: (B,), sqrt(alpha_bar).
            conditioning: (B, C, F), T = 300 F.
            source: ignored.

        Returns:
            (B, T), eps.
        """
        if not self.config.data_std:
            eps: Tensor = self.decoder(noisy, noise_level, conditioning)
            return eps
        told, variance = self._told(noise_level[:, None])
        left: Tensor = self.decoder(noisy / variance.sqrt(), noise_level, conditioning)
        return told * noisy + self.untold(noise_level)[:, None] * left

    def untold(self, noise_level: Tensor) -> Tensor:
        """(B,) -> (B,): how much the decoder's output counts in the noise, 1 as published.

        With `data_std` it is the standard deviation of what remains of the noise if its best linear
        estimate from the noisy waveform is subtracted, were waveforms white.
        """
        if not self.config.data_std:
            return torch.ones_like(noise_level)
        return noise_level * self.config.data_std / self._told(noise_level)[1].sqrt()

    def _told(self, noise_level: Tensor) -> tuple[Tensor, Tensor]:
        """The best linear estimate of noise as a factor of the noisy waveform; its variance."""
        sigma_squared = (1 - noise_level) * (1 + noise_level)
        variance = sigma_squared + (noise_level * self.config.data_std).square()
        return sigma_squared.sqrt() / variance, variance

    def to_waveform(self, x0: Tensor) -> Tensor:
        """(B, T) -> (B, T): the model works on plain waveforms."""
        return x0
