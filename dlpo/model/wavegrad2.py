"""WaveGrad 2, `mini`, `base` and `large`: text to waveform by diffusion at the full sample rate.

The decoder is WaveGrad's: a waveform branch down, a frame branch up, joined by FiLM at every rate.

References: Chen et al. 2021, https://arxiv.org/abs/2106.09660, with the widths of the MINDs Lab
reproduction; Chen et al. 2020, https://arxiv.org/abs/2009.00713, figures 3 to 5.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlpo.config import Parametrisation
from dlpo.config.models import WaveGrad2Config
from dlpo.errors import ConfigError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.model.gaussian_upsampling import gaussian_upsample
from dlpo.model.wavegrad_decoder import WaveGradDecoder

FRAMES_PER_SECOND = PUBLISHED_GRID.frames_per_s  # durations are predicted in seconds


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
