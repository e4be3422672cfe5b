"""How models are trained: a run, and the recipe of each model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dlpo.config.fields import (
    Count,
    FromOne,
    NotNegative,
    PartShare,
    Positive,
    Share,
    SomeShare,
    Whole,
)
from dlpo.config.strict import check
from dlpo.errors import ConfigError


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Settings of every training or tuning run."""

    updates: Count = 1_000
    """Updates of the whole run; the learning rate's decay ends there."""
    learning_rate: SomeShare = 1e-3
    """Highest of the run."""
    weight_decay: NotNegative = 0.01
    """Of AdamW."""
    gradient_clip: Positive = 1.0
    """Largest norm of the gradient."""
    ema_decay: PartShare = 0.999
    """Decay of the averaged weights, which are validated and saved."""
    precision: Literal["auto", "bf16", "no"] = "auto"
    """Arithmetic inside convolutions and matrix products; weights and losses stay float32. auto is
    bf16 if the processor or GPU supports it: emulated, it takes seven times as long."""
    seed: Whole = 0
    """Of weights, noise and the order of the data."""
    log_every: Count = 100
    """Updates between lines of the log."""
    validate_every: Count = 500
    """Updates between measurements on the validation split."""
    save_every: Count = 1_000
    """Updates between states to resume from."""

    def __post_init__(self) -> None:
        check(self)

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first)."""
        raise NotImplementedError


def ramp(
    update: int, first: int, end: int, *, warmup: int, decay_from: float, least: float = 0.03
) -> float:
    """Share of the peak learning rate at an update: a linear rise, a plateau and a linear fall.

    Args:
        update: of `first` to `end`, exclusive.
        first, end: updates of this part of the run.
        warmup: updates of the rise.
        decay_from: share of the part after which it falls.
        least: share that the fall ends at.
    """
    done = (update - first) / max(1, end - first)
    fall = 1.0 if done < decay_from or decay_from == 1 else (1 - done) / (1 - decay_from)
    return min(1.0, (update - first + 1) / max(1, warmup)) * max(least, fall)


@dataclass(frozen=True, slots=True)
class SpectralTraining(RunConfig):
    """How a part of `spectral` is trained; the defaults are the recipe of the embedded voices."""

    part: Literal["acoustics", "adapters", "denoiser", "joint", "sound", "timing"] = "joint"
    """acoustics: everything before the conditioning, from phonemes to mel. timing: of that the
    durations and pauses alone, from sentences of all voices alike. denoiser: conditioning
    and denoiser, from recorded mel. These two share no weights, so they can be trained at the same
    time. joint: the denoiser on predicted mel and hidden states, after both. sound: the mel
    predictor too, by the denoiser's losses, so that mel is what the denoiser needs rather than
    the mean of what was recorded; durations and pitch stay. adapters: what lets
    the acoustics of a checkpoint speak further voices; voices that are not in the data stay
    bit-identical."""
    updates: Count = 20_000
    batch: Count = 16
    """Windows per update of the denoiser, on each process."""
    window: Count = 48
    """Frames of a window that the denoiser sees (73.5 a second)."""
    acoustic_batch: Count = 6
    """Windows per update of the acoustics, on each process."""
    acoustic_window: Count = 448
    """Frames of an acoustics window: fits most sentences, since each is encoded whole."""
    timing_batch: Whole = 4
    """Sentences per update, short and long alike, that only teach durations: all that timing learns
    from, and further ones of the acoustics; 0 for none."""
    first_share: Share = 3 / 8
    """Share of the denoiser's windows at the start of a chain: all that a one-step chain needs."""
    start_weight: NotNegative = 1.0
    """Weight of the diffusion loss of those windows: at the start of a chain it is smallest for the
    average of all plausible waveforms."""
    adversarial_from: Whole = 10_000
    """Update from which the denoiser must also fool an adversary."""
    adversarial_rate: SomeShare = 4e-4
    """Learning rate of denoiser and adversary, once there is one."""
    adversary_every: Count = 2
    """Denoiser updates per update of the adversary, which otherwise learns faster."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: of the wide layers, except embeddings and the denoiser's last one; AdamW's is the rest.
    See `dlpo.training.muon`."""
    warmup: Whole = 300
    """Updates over which the learning rate rises from 0."""
    decay_from: Share = 0.5
    """Share of the run after which the learning rate falls linearly to 3 % of its peak."""
    interpolation: SomeShare = 1.0
    """How far the checkpoint lies from the start to what was learned; below 1 it keeps more of what
    tuning taught (weight interpolation, arXiv 2109.01903). The log measures what was learned."""
    save_every: Count = 500

    def __post_init__(self) -> None:
        check(self)
        if self.part == "timing" and not self.timing_batch:
            raise ConfigError("SpectralTraining.timing_batch is 0; timing needs 1 or more")

    @property
    def learns_acoustics(self) -> bool:
        """Whether all that learns comes before the denoiser."""
        return self.part in ("acoustics", "adapters", "timing")

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first)."""
        adversarial = not self.learns_acoustics and update >= self.adversarial_from
        peak = self.adversarial_rate if adversarial else self.learning_rate
        warmup, decay_from = self.warmup, self.decay_from
        return peak * ramp(update, 0, self.updates, warmup=warmup, decay_from=decay_from)


@dataclass(frozen=True, slots=True)
class ContourTraining(RunConfig):
    """How the contour is trained; the defaults are the recipe of the embedded voice."""

    updates: Count = 2_000
    reading_updates: Whole = 1_500
    """The first updates, which train only the reader, to guess hidden durations and symbols of all
    sentences of the corpus, with and without audio."""
    batch: Count = 16
    """Sentences per update."""
    draws: Count = 4
    """Draws of noise and time per sentence in an update of the contour."""
    reading_rate: NotNegative = 0.2
    """Factor on the learning rate of the reader, while the contour trains."""
    warmup: Whole = 50
    """Updates over which the learning rate rises from 0, in both parts."""
    decay_from: Share = 0.4
    """Share of each part after which the learning rate falls linearly to 2 % of its peak."""
    weight_decay: NotNegative = 0.05
    ema_decay: PartShare = 0.995
    hidden_symbols: PartShare = 0.1
    """Share of the symbols that are hidden."""
    duration_noise: NotNegative = 0.15
    """Standard deviation of noise on log durations, since in synthesis they are predicted."""
    log_every: Count = 50
    validate_every: Count = 250
    save_every: Count = 250

    def __post_init__(self) -> None:
        check(self)
        if not 0 <= self.reading_updates <= self.updates:
            raise ConfigError(
                f"ContourTraining.reading_updates is {self.reading_updates}; expected 0 to"
                f" {self.updates}, all updates"
            )

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first); each part rises and falls."""
        read = self.reading_updates
        bounds = (0, read) if update < read else (read, self.updates)
        warmup, decay_from = self.warmup, self.decay_from
        factor = ramp(update, *bounds, warmup=warmup, decay_from=decay_from, least=0.02)
        return self.learning_rate * factor


@dataclass(frozen=True, slots=True)
class WaveGrad2Training(RunConfig):
    """How `mini`, `base` and `large` are trained; the defaults are the published reproduction's.

    Reference: MINDs Lab's WaveGrad 2 (https://github.com/maum-ai/wavegrad2), which the DLPO paper
    tunes; its checkpoint of `base` is of about a million updates.
    """

    updates: Count = 1_000_000
    batch: Count = 12
    """Windows per update, on each process; each comes with its whole sentence."""
    window: Count = 256
    """Frames of a window that the decoder is scored on (73.5 a second)."""
    context: Whole = 6
    """Frames on either side that the decoder also sees but isn't scored on: its reach, so that
    it learns nothing from artificial sentence ends. 10 in `large`."""
    duration_weight: Positive = 1.0
    """Weight of the squared error of durations, in seconds, relative to the L1 of the noise."""
    level_balance: Share = 0.0
    """How evenly noise levels count, 0 to 1: the error of the noise is divided by what the noisy
    waveform doesn't tell of it (`WaveGrad2.untold`), to this power. 0 is as published."""
    level_focus: FromOne = 1.0
    """Above 1, low noise is drawn more often: `continuous_levels`. 1 is as published."""
    mel_weight: NotNegative = 0.0
    """Weight of the L1 of log-mel, in nats, predicted from the hidden sequence of each frame: the
    multi-task learning of Chen et al. 2021 (section 3), which the reproduction leaves out. 0 trains
    without it, unless `mel_updates` come first. The weight in the paper isn't known."""
    mel_updates: Whole = 0
    """Updates at the start that learn only log-mel, at weight 1, and durations, from whole
    sentences: a tiny part of the time of others, since the decoder isn't run."""
    mel_batch: Count = 16
    """Sentences per update of those, on each process."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """Of the weights of convolutions; see `dlpo.training.muon`. AdamW in the reproduction."""
    learning_rate: SomeShare = 3e-4
    warmup: Whole = 0
    """Updates over which the learning rate rises from 0, in both parts. 0 in the reproduction."""
    decay_start: Whole = 25_000
    """Update from which the learning rate falls exponentially."""
    decay_end: Whole = 100_000
    """Update from which it stays constant."""
    decay: SomeShare = 0.05
    """Share of the learning rate left by then."""
    weight_decay: NotNegative = 1e-6
    validate_every: Count = 1_000
    save_every: Count = 5_000

    def __post_init__(self) -> None:
        check(self)
        if self.decay_end <= self.decay_start:
            raise ConfigError(
                f"WaveGrad2Training.decay_end is {self.decay_end}; expected more than decay_start,"
                f" {self.decay_start}"
            )

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first)."""
        done = (update - self.decay_start) / (self.decay_end - self.decay_start)
        since = update - (self.mel_updates if update >= self.mel_updates else 0)
        rise = min(1.0, (since + 1) / max(1, self.warmup))
        return float(self.learning_rate * rise * self.decay ** min(1.0, max(0.0, done)))

    @property
    def learns_mel(self) -> bool:
        """Whether log-mel is learned, at first or throughout."""
        return self.mel_weight > 0 or self.mel_updates > 0


MINI_TRAINING = WaveGrad2Training(
    updates=38_000, batch=8, window=48, level_balance=0.5, level_focus=1.5, mel_weight=0.1,
    mel_updates=1_500, mel_batch=8, optimizer="muon", learning_rate=1e-3, warmup=100,
    decay_start=14_000, decay_end=36_000, ema_decay=0.9995, save_every=200,
)  # fmt: skip
"""For one CPU core and a day: larger steps that warm up, smaller batches, mel first, and levels of
low noise more often, since ten steps spend most of theirs there."""
BASE_TRAINING = WaveGrad2Training()
LARGE_TRAINING = WaveGrad2Training(batch=6, context=10)
