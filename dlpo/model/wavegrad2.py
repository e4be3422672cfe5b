"""WaveGrad 2, `base` and `large`: text to waveform by diffusion at the full sample rate.

Reference: Chen et al. 2021, https://arxiv.org/abs/2106.09660, with the widths of the MINDs Lab
reproduction. The decoder is in `dlpo.model.wavegrad_decoder`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlpo.audio import HOP_LENGTH, SAMPLE_RATE
from dlpo.config import Parametrisation, WaveGrad2Config
from dlpo.errors import ConfigError
from dlpo.model.gaussian_upsampling import gaussian_upsample
from dlpo.model.wavegrad_decoder import WaveGradDecoder

FRAMES_PER_SECOND = SAMPLE_RATE / HOP_LENGTH  # durations are predicted in seconds


class BidirectionalLSTM(nn.Module):
    """An LSTM in each direction, stacked; padding at the end changes nothing before it.

    Two one-way LSTMs and a reversal that knows the lengths, instead of packed sequences: the same
    mathematics, and it exports as it stands.
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

    def forward(self, phonemes: Tensor, mask: Tensor) -> Tensor:
        """(B, P) int64, (B, P) bool -> (B, P, C)."""
        x = self.embedding(phonemes).transpose(1, 2)  # (B, C, P)
        for convolution in self.convolutions:
            x = convolution(x * mask[:, None])
        out: Tensor = self.lstm(x.transpose(1, 2), mask)
        return out


class SymbolPredictor(nn.Module):
    """One number for each symbol: a two-layer LSTM and a linear map."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.lstm = BidirectionalLSTM(in_channels, channels, layers=2)
        self.out = nn.Linear(2 * channels, 1, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, P, C), (B, P) bool -> (B, P)."""
        out: Tensor = self.out(self.lstm(x, mask))
        return out.squeeze(-1)


class WaveGrad2(nn.Module):
    """The published model behind the interface of every size.

    It predicts no F0 and ignores pitch and the harmonic source.
    """

    parametrisation: Parametrisation = "eps"
    uses_source = False
    x0_limit: float | None = 1.0
    """bound of |x0| in each step of a chain, as published"""

    def __init__(self, config: WaveGrad2Config) -> None:
        super().__init__()
        if config.hop_length != HOP_LENGTH:
            raise ConfigError(
                f"WaveGrad2Config.up_factors multiply to {config.hop_length}; expected "
                f"{HOP_LENGTH}, the hop length"
            )
        self.config = config
        hidden_channels = config.encoder_channels + config.speaker_channels
        self.encoder = TextEncoder(config)
        self.speaker = nn.Parameter(torch.randn(config.speaker_channels))
        self.duration_predictor = SymbolPredictor(hidden_channels, config.predictor_channels)
        self.range_predictor = SymbolPredictor(hidden_channels + 1, config.predictor_channels)
        self.decoder = WaveGradDecoder(config)

    def hidden(self, phonemes: Tensor, mask: Tensor) -> Tensor:
        """(B, P) int64, (B, P) bool, False at padding -> (B, C, P): encoder output and speaker."""
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

    def encode(self, phonemes: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the text says and how long each symbol lasts.

        Args:
            phonemes: (B, P) int64, indices of `dlpo.text.symbols.SYMBOLS`.
            mask: (B, P) bool, False at padding, which is at the end.

        Returns:
            hidden (B, C, P); durations (B, P) frames >= 0; ranges (B, P) frames, std > 0.
        """
        hidden = self.hidden(phonemes, mask)
        durations = self.predict_durations(hidden, mask).clamp(min=0)
        return hidden, durations, self.predict_ranges(hidden, durations, mask)

    def frames(
        self, hidden: Tensor, durations: Tensor, ranges: Tensor, positions: Tensor, pitch: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The conditioning of each frame.

        Args:
            hidden: (B, C, P).
            durations, ranges: (B, P) frames.
            positions: (F,) or (B, F) frames, the middle of each.
            pitch: (B,) semitones, ignored.

        Returns:
            conditioning (B, C, F); F0 (B, F), all 0.
        """
        conditioning = gaussian_upsample(hidden, durations, ranges, positions)
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
        eps: Tensor = self.decoder(noisy, noise_level, conditioning)
        return eps

    def to_waveform(self, x0: Tensor) -> Tensor:
        """(B, T) -> (B, T): the model works on waveforms as they are heard."""
        return x0
