"""The part of `lite` that draws the pitch of a sentence, and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dlpo.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ContourConfig:
    """Pitch from text by flow matching: two points a symbol, in a few Euler steps."""

    channels: int = 128
    """Width of the part that reads symbols and durations."""
    blocks: int = 3
    """Its pairs of a convolution block and self-attention."""
    dropout: float = 0.3
    """Probability there while training; few minutes of pitch are soon known by heart."""
    flow_channels: int = 96
    """Width of the part that runs once an Euler step."""
    flow_blocks: int = 3
    """Its convolution blocks."""
    flow_dropout: float = 0.1
    """Probability there while training."""
    steps: int = 6
    """Euler steps from noise to pitch."""
    temperature: float = 1.0
    """Factor on the noise: 0 draws always the same contour; see `lively_temperature`."""
    centre: float = 5.3
    """ln Hz, about which a sentence moves: 200 Hz."""
    spread: float = 0.25
    """Standard deviation of ln F0 in a sentence: 4.3 semitones. A factor on what the flow draws."""
    limit: float = 2.6
    """How many of these a contour may go up or down at most."""
    question_rise: float = 0.0
    """Semitones above the centre that questions are led up to, for a voice whose recordings have
    none to learn from; 0 leaves them to the flow."""

    def __post_init__(self) -> None:
        for name in ("channels", "flow_channels"):
            if getattr(self, name) < 2 or getattr(self, name) % 2:
                raise ConfigError(
                    f"ContourConfig.{name} is {getattr(self, name)}; expected an even number"
                )
        for name in ("blocks", "flow_blocks", "steps"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"ContourConfig.{name} is {getattr(self, name)}; expected 1 or more"
                )
        for name in ("dropout", "flow_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(
                    f"ContourConfig.{name} is {getattr(self, name)}; expected 0 <= p < 1"
                )
        if not (self.temperature >= 0 and self.spread > 0 and self.limit > 0):
            raise ConfigError(
                f"ContourConfig: temperature {self.temperature}, spread {self.spread}, limit"
                f" {self.limit}; expected temperature at least 0, the others above it"
            )


@dataclass(frozen=True, slots=True)
class ContourTraining:
    """How the contour is trained; the defaults are the recipe of the embedded voice."""

    updates: int = 2_000
    """Optimiser steps of the whole run; the learning rate's decay ends there."""
    reading_updates: int = 1_500
    """The first of them, which teach reading alone: durations and symbols that were hidden, from
    all sentences of the corpus, whether their audio is there or not."""
    batch: int = 16
    """Sentences an update."""
    draws: int = 4
    """Draws of noise and time for each sentence in an update of the contour."""
    learning_rate: float = 1e-3
    reading_rate: float = 0.2
    """Factor on the learning rate of the part that reads, while the contour trains."""
    warmup: int = 50
    """Updates over which the learning rate rises from 0, in both parts."""
    decay_from: float = 0.4
    """Share of each part after which the learning rate falls linearly to 2 % of its peak."""
    weight_decay: float = 0.05
    gradient_clip: float = 1.0
    """Largest norm of the gradient."""
    ema_decay: float = 0.995
    """Of the averaged weights, which are the ones that are saved."""
    precision: Literal["auto", "bf16", "no"] = "auto"
    """Arithmetic inside convolutions and matrix products; weights and losses stay float32. auto is
    bf16 where the processor or GPU computes in it: imitated, it takes seven times as long."""
    hidden_symbols: float = 0.1
    """Share of the symbols that are hidden."""
    duration_noise: float = 0.15
    """Standard deviation of what is added to log durations: those of synthesis are predicted."""
    seed: int = 0
    log_every: int = 50
    """Updates between lines of the log."""
    validate_every: int = 250
    """Updates between measurements on the validation sentences."""
    save_every: int = 250
    """Updates between states to resume from."""

    def __post_init__(self) -> None:
        for name in ("updates", "batch", "draws", "log_every", "validate_every", "save_every"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"ContourTraining.{name} is {getattr(self, name)}; expected 1 or more"
                )
        if not 0 <= self.reading_updates <= self.updates:
            raise ConfigError(
                f"ContourTraining.reading_updates is {self.reading_updates}; expected 0 to"
                f" {self.updates}, all updates"
            )
        if not 0 < self.learning_rate < 1:
            raise ConfigError(
                f"ContourTraining.learning_rate is {self.learning_rate}; expected 0 < rate < 1"
            )
        for name in ("hidden_symbols", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(
                    f"ContourTraining.{name} is {getattr(self, name)}; expected 0 <= x < 1"
                )

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first); each part rises and falls."""
        reads = update < self.reading_updates
        first = 0 if reads else self.reading_updates
        end = self.reading_updates if reads else self.updates
        done = (update - first) / max(1, end - first)
        fall = 1.0 if done < self.decay_from else (1 - done) / (1 - self.decay_from)
        rise = min(1.0, (update - first + 1) / max(1, self.warmup))
        return self.learning_rate * rise * max(0.02, fall)
