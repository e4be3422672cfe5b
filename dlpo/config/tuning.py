"""How a checkpoint is tuned: all that is neither the method nor the chain nor the reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dlpo.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TuningConfig:
    """How a checkpoint is tuned; all that a run may change when it is resumed."""

    updates: int = 200
    """Rollouts to learn from in the whole run, or as many batches of recordings."""
    sentences: int = 8
    """Prompts an update, shared out over the processes."""
    group: int = 8
    """Seeds of each sentence, G: what its advantages are taken among."""
    rows: int = 16
    """Chains that are run and learnt from at once, rounded to whole sentences: memory."""
    passes: int = 1
    """Optimiser steps on each rollout; recordings are drawn anew for each."""
    learning_rate: float = 3e-5
    warm_up: int = 10
    """Updates over which the learning rate rises from 0."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient."""
    ema_decay: float = 0.98
    """Of the averaged weights, which are the ones that are validated, saved and spoken with."""
    weight_decay: float = 0.0
    """0: decay alone would move the policy where the reward says nothing."""
    longest_s: float | None = 6.0
    """Seconds; sentences that took the speaker longer are no prompts. None keeps all."""
    window_batch: int = 16
    """Windows of recordings an optimiser step, where recordings are learnt from."""
    window: int = 48
    """Frames of such a window (73.5 a second)."""
    standardisation: Literal["none", "batch", "running"] = "running"
    """How the parts of a reward are brought to one scale, see `WeightedSum`."""
    augment: bool = False
    """Whether the reward hears its clips changed a little, against hacking."""
    kl_limit: float = 0.05
    """Guard: divergence from the untuned voice, mean over steps and samples, that ends the run."""
    judge_margin: float = 0.15
    """Guard: fall of a held-out judge's mean that ends the run."""
    words_margin: float = 0.05
    """Guard: rise of the word error rate that ends the run."""
    guard: bool = True
    """Whether the three limits end the run; they are measured and logged in any case."""
    validation_sentences: int = 20
    """Sentences of the validation split that are measured on, always with the same seeds."""
    validation_longest_s: float | None = None
    """Seconds; of those sentences too the longer ones may be left out, for speed."""
    log_every: int = 5
    """Updates between lines of the log."""
    validate_every: int = 25
    """Updates between measurements on the validation sentences."""
    save_every: int = 25
    """Updates between states to resume from."""
    precision: Literal["bf16", "no"] = "no"
    """Arithmetic inside convolutions and matrix products. bf16 rounds more than a policy moves in
    an update."""
    seed: int = 0

    def __post_init__(self) -> None:
        at_least = dict.fromkeys(
            (
                "updates", "sentences", "group", "rows", "passes", "window_batch", "window",
                "validation_sentences", "log_every", "validate_every", "save_every",
            ),
            1,
        ) | {"weight_decay": 0, "warm_up": 0, "seed": 0}  # fmt: skip
        for name, least in at_least.items():
            if not getattr(self, name) >= least:
                raise ConfigError(
                    f"TuningConfig.{name} is {getattr(self, name)}; expected {least} or more"
                )
        if not 0 < self.learning_rate < 1:
            raise ConfigError(
                f"TuningConfig.learning_rate is {self.learning_rate}; expected 0 < rate < 1"
            )
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"TuningConfig.ema_decay is {self.ema_decay}; expected 0 <= d < 1")
        above_0 = (
            "gradient_clip", "kl_limit", "judge_margin", "words_margin", "longest_s",
            "validation_longest_s",
        )  # fmt: skip
        for name in above_0:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"TuningConfig.{name} is {getattr(self, name)}; expected above 0")

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first)."""
        return self.learning_rate * min(1.0, (update + 1) / max(1, self.warm_up))
