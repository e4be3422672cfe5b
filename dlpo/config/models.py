"""Configurations of the models, each size with its defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from dlpo.config.fields import Count, Even, NotNegative, PartShare, Positive, Share
from dlpo.config.strict import check
from dlpo.errors import ConfigError
from dlpo.frame_grid import PUBLISHED_GRID, FrameGrid


@dataclass(frozen=True, slots=True)
class WaveGrad2Config:
    """WaveGrad 2 as published: text to waveform by diffusion at the full sample rate.

    Reference: Chen et al. 2021, https://arxiv.org/abs/2106.09660; widths of the MINDs Lab
    reproduction that the DLPO paper tunes ("WaveGrad 2R").
    """

    model: Literal["mini", "base", "large"] = "base"
    """Name of the size."""
    symbols: int = 99
    """Rows of the symbol embedding; `len(dlpo.text.symbols.SYMBOLS)`."""
    unseen_symbols: tuple[int, ...] = ()
    """Symbols that the encoder isn't shown and that take no time. The published checkpoints have no
    symbol for a plain gap between words, nor for the silence before the first one."""
    frame_place: Share = 0.5
    """Where in a frame the hidden sequence is read off: 0 at its start, as in the published
    checkpoints; 0.5 in its middle."""
    encoder_channels: Even = 512
    """Width of embedding and convolutions; each direction of the LSTM has half of it."""
    encoder_layers: int = 3
    """Convolutions (kernel 5) before the encoder's LSTM."""
    dropout: PartShare = 0.5
    """Probability, in the encoder while training."""
    speaker_channels: int = 64
    """Width of the speaker embedding joined to the hidden sequence; one speaker."""
    predictor_channels: int = 512
    """Width per direction of the two-layer LSTMs that predict durations and ranges."""
    conditioning_channels: int = 768
    """Width of the frame sequence that enters the first upsampling block."""
    up_channels: tuple[int, ...] = (512, 512, 256, 128, 128)
    """Output channels of the upsampling blocks, from frames to samples."""
    up_factors: tuple[int, ...] = (5, 5, 3, 2, 2)
    """Upsampling of each block; the product is the hop length in samples."""
    up_dilations: tuple[tuple[int, ...], ...] = ((1, 2, 4, 8),) * 3 + ((1, 2, 1, 2),) * 2
    """Dilations of the four convolutions of each upsampling block."""
    blocks_per_scale: int = 1
    """Blocks at each rate, up and down; in `large` a second one follows that keeps the rate."""
    waveform_channels: int = 32
    """Output channels of the convolution (kernel 5) that reads the noisy waveform."""
    down_channels: tuple[int, ...] = (128, 128, 256, 512)
    """Output channels of the downsampling blocks, from samples towards frames."""
    down_dilations: tuple[int, ...] = (1, 2, 4)
    """Dilations of the convolutions of every downsampling block."""
    data_std: NotNegative = 0.0
    """Standard deviation of the waveforms that it learns from. 0 is as published: the decoder reads
    the noisy waveform and writes the noise. Above 0 both are scaled at each noise level, and only
    what the noisy waveform doesn't tell is left to the decoder (Karras et al. 2022, section 5),
    since narrow layers can't copy noise exactly enough where there is much of it."""

    def __post_init__(self) -> None:
        if not len(self.up_channels) == len(self.up_factors) == len(self.up_dilations):
            raise ConfigError(
                f"WaveGrad2Config: up_channels, up_factors, up_dilations have "
                f"{len(self.up_channels)}, {len(self.up_factors)}, {len(self.up_dilations)} "
                f"entries; give one of each per block"
            )
        if len(self.down_channels) != len(self.up_channels) - 1:
            raise ConfigError(
                f"WaveGrad2Config.down_channels has {len(self.down_channels)} entries; expected "
                f"{len(self.up_channels) - 1}, one less than up_channels"
            )
        check(self)

    @property
    def hop_length(self) -> int:
        """Samples a frame."""
        return math.prod(self.up_factors)

    @property
    def grid(self) -> FrameGrid:
        """Sample rate and frames."""
        return FrameGrid(PUBLISHED_GRID.sample_rate_hz, self.hop_length)

    def rows(self, voice: str) -> tuple[int, int]:
        """Rows of speaker and session, as in `SpectralConfig.rows`: none, as it has one voice."""
        return -1, -1


MINI = WaveGrad2Config(
    model="mini",
    dropout=0.1,
    encoder_channels=128,
    speaker_channels=16,
    predictor_channels=64,
    conditioning_channels=192,
    up_channels=(128, 128, 64, 32, 32),
    waveform_channels=8,
    down_channels=(32, 32, 64, 128),
    data_std=0.126,
)
"""A quarter of the widths of `base`, an eighth in the predictors: what a CPU core can train. With
the published dropout of 0.5 so narrow an encoder learns a third slower. The deviation is that of
16 windows of `heart`'s held-out speech (0.130 in 480 of what it learns from), at a peak of 1."""
BASE = WaveGrad2Config()
LARGE = WaveGrad2Config(model="large", blocks_per_scale=2, up_dilations=((1, 2, 4, 8),) * 5)


@dataclass(frozen=True, slots=True)
class ContourConfig:
    """Pitch from text by flow matching: two points per symbol, by the midpoint rule."""

    channels: Even = 128
    """Width of the reader of symbols and durations."""
    blocks: Count = 3
    """The reader's pairs of a convolution block and self-attention."""
    dropout: PartShare = 0.3
    """Probability there while training; a few minutes of pitch are soon memorized."""
    flow_channels: Even = 96
    """Width of the flow, which runs twice per step."""
    flow_blocks: Count = 3
    """The flow's convolution blocks."""
    flow_dropout: PartShare = 0.1
    """Probability there while training."""
    steps: Count = 1
    """Midpoint steps from noise to pitch. One is more exact than four Euler steps, which cost twice
    as much."""
    centre: float = 5.3
    """ln Hz around which a sentence moves: 200 Hz."""
    spread: Positive = 0.25
    """Standard deviation of ln F0 in a sentence: 4.3 semitones. A factor on what the flow draws."""
    limit: Positive = 2.6
    """Farthest that a contour may go up or down, in units of `spread`."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class SpectralConfig:
    """Several voices for one CPU core: WaveGrad 2's flow on short-time spectra."""

    model: Literal["spectral"] = "spectral"
    """Name of the model."""
    voices: tuple[str, ...] = ("lj",)
    """Rows of the voice embedding: speakers, and sessions of a speaker such as lj/LJ001."""
    symbols: int = 99
    """Rows of the symbol embedding; `len(dlpo.text.symbols.SYMBOLS)`."""
    hidden_channels: int = 192
    """Width of the encoder and of the frame sequence."""
    encoder_blocks: int = 3
    """Pairs of a convolution block and self-attention over the symbols."""
    encoder_dropout: PartShare = 0.1
    """Probability, in the encoder and its predictors while training."""
    prosody_blocks: int = 3
    """Blocks before F0, voicing and energy are predicted."""
    mel_blocks: int = 5
    """Blocks between prosody and log-mel."""
    frame_dropout: PartShare = 0.05
    """Probability, in the frame-rate blocks while training."""
    adapter_channels: int = 0
    """Inner width of the adapters beside these blocks, for added voices; 0 for none."""
    conditioning_channels: int = 192
    """Width of the frame sequence that enters the denoiser."""
    conditioning_blocks: int = 2
    """Blocks on the frame sequence; they run once, not once per step."""
    level_channels: int = 128
    """Width of the noise-level embedding."""
    level_frequency: float = 30.0
    """Radians of its fastest sinusoid over all levels; at 1000, neighboring levels had nothing in
    common and the sound depended on the exact schedule."""
    scale: float = 12.0
    """Factor on the pre-emphasized waveform, for a standard deviation near 0.5."""
    contour: ContourConfig | None = None
    """How the pitch is drawn; None predicts the nearest curve, which is flat."""
    sample_rate_hz: Count = 22_050
    """Sample rate of the voices."""
    hop_length: Count = 300
    """Samples of a frame, in which durations, F0 and mel are measured."""
    source_taper_hz: NotNegative = 0.0
    """Where the source's harmonics begin to fade, to none at 95 % of half the rate. At 0 they end
    after 50, and above that a man's voice is noise."""
    window: int = 600
    """Samples per spectrum, 27 ms at 22,050 Hz."""
    stft_hop: int = 150
    """Samples between spectra; divides `hop_length` and the window."""
    width: int = 192
    """Width of the denoiser."""
    blocks: int = 6
    """Blocks in the denoiser."""
    free_part: bool = True
    """Whether the denoiser adds a spectrum of its own to those that it filters. Where speech is
    noise, that is nearly the same in every frame: a comb of lines at the frame rate. Without it,
    all that isn't voiced is filtered noise."""

    def __post_init__(self) -> None:
        check(self)
        if self.stft_hop < 1 or self.hop_length % self.stft_hop or self.window % self.stft_hop:
            raise ConfigError(
                f"SpectralConfig: stft_hop is {self.stft_hop}; expected a divisor of the frame's"
                f" {self.hop_length} samples and of the window's {self.window}"
            )
        if self.window == self.stft_hop or (self.window - self.stft_hop) % 2:
            raise ConfigError(
                f"SpectralConfig: window is {self.window}, stft_hop {self.stft_hop}; expected a"
                " window that is longer, by an even number of samples"
            )
        if not self.voices or len(set(self.voices)) < len(self.voices):
            raise ConfigError(f"SpectralConfig.voices is {self.voices}; expected distinct names")

    @property
    def grid(self) -> FrameGrid:
        """Sample rate, frames and source."""
        return FrameGrid(self.sample_rate_hz, self.hop_length, self.source_taper_hz)

    @property
    def speakers(self) -> tuple[str, ...]:
        """The voices to offer; the first is the default."""
        return tuple(voice for voice in self.voices if "/" not in voice)

    def rows(self, voice: str) -> tuple[int, int]:
        """Rows of the embedding that a voice is the sum of: speaker, and session or -1.

        Raises:
            ConfigError: there is no such speaker.
        """
        speaker = voice.split("/")[0]
        if speaker not in self.voices:
            raise ConfigError(f"voice is {voice!r}; expected one of {', '.join(self.voices)}")
        known = voice != speaker and voice in self.voices
        return self.voices.index(speaker), self.voices.index(voice) if known else -1


SPECTRAL = SpectralConfig()
