"""How checkpoints are tuned: by judges, by listeners' pairs, or by how sentences end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from dlpo.config.fields import (
    Count,
    Even,
    NotNegative,
    PartShare,
    Positive,
    Share,
    SomeShare,
    Whole,
)
from dlpo.config.strict import check
from dlpo.config.training import RunConfig, ramp
from dlpo.errors import ConfigError

TunedPart = Literal["denoiser", "sound", "adapters"]


@dataclass(frozen=True, slots=True)
class TuningRun(RunConfig):
    """Settings of every tuning."""

    warm_up: Whole = 10
    """Updates over which the learning rate rises from 0."""
    decay_from: Share = 1.0
    """Share of the run after which the learning rate falls linearly to 3 %; 1: it never falls."""
    weight_decay: NotNegative = 0.0
    """0: decay alone would move the policy where the reward says nothing."""
    log_every: Count = 5
    validate_every: Count = 25
    save_every: Count = 25
    precision: Literal["bf16", "no"] = "no"
    """Arithmetic inside convolutions and matrix products. bf16 rounds more than a policy moves in
    an update."""
    least_rate: ClassVar = 0.03
    """Share of the learning rate that the fall ends at."""

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first)."""
        return self.learning_rate * ramp(
            update, 0, self.updates,
            warmup=self.warm_up, decay_from=self.decay_from, least=self.least_rate,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TuningConfig(TuningRun):
    """How a checkpoint is tuned: everything that may change when a run is resumed."""

    part: TunedPart = "denoiser"
    """What learns: the denoiser, without its conditioning; sound: mel predictor, conditioning and
    denoiser; or the adapters of the data's voices, which change no other."""
    updates: Count = 200
    """Rollouts, or batches of recordings, to learn from in the whole run."""
    sentences: Count = 8
    """Prompts per update, split across the processes."""
    group: Count = 8
    """Seeds per sentence, G, which advantages compare."""
    rows: Count = 16
    """Chains in memory at a time, rounded to whole sentences."""
    passes: Count = 1
    """Optimizer steps on each rollout; each draws new recordings."""
    learning_rate: SomeShare = 3e-5
    ema_decay: PartShare = 0.98
    longest_s: Positive | None = 6.0
    """Seconds; sentences that took the speaker longer are not prompts. None keeps all."""
    adversary: bool = True
    """Whether the control's loss, also where it guides another method, includes the adversary
    that training ended with; not for the published model, which has none."""
    adversary_rate: Positive = 4e-4
    """Learning rate of that adversary."""
    adversary_warm_up: Whole = 100
    """Batches to train the adversary on beforehand, since checkpoints lack its weights."""
    window_batch: Count = 16
    """Windows of recordings per optimizer step, for methods that learn from recordings."""
    window: Count = 48
    """Frames of such a window (73.5 a second)."""
    augment: bool = False
    """Whether the reward receives augmented clips, to make hacking harder."""
    kl_limit: Positive = 0.05
    """Guard: divergence from the untuned voice, mean over steps and samples, that ends the run."""
    judge_margin: Positive = 0.15
    """Guard: fall of a held-out judge's mean that ends the run."""
    words_margin: Positive = 0.05
    """Guard: rise of the word error rate that ends the run."""
    guard: bool = True
    """Whether the three limits end the run; they are measured and logged in any case."""
    validation_sentences: Count = 20
    """Sentences of the validation split that are measured on, always with the same seeds."""


@dataclass(frozen=True, slots=True)
class PitchTuning(TuningRun):
    """How the pitch flow is tuned, by whatever it learns from."""

    updates: Count = 180
    learning_rate: SomeShare = 3e-4
    decay_from: PartShare = 0.5
    """Share of the run after which the learning rate falls linearly to a tenth."""
    ema_decay: PartShare = 0.95
    times: Count = 4
    """Pairs of noise and time per contour, shared by the contours of a sentence."""
    recorded: Count = 16
    """Recordings per update of the diffusion loss."""
    least_rate = 0.1


@dataclass(frozen=True, slots=True)
class PitchPairsTuning(PitchTuning):
    """How the pitch learns from listeners' pairs."""

    voice: str | None = None
    """Speaker of the pairs; the first of the checkpoint by default."""
    pairs: Count = 16
    """Pairs per update."""


@dataclass(frozen=True, slots=True)
class EndingsTuning(PitchTuning):
    """How the ends of sentences are tuned: by advantage-weighted matching."""

    updates: Count = 240
    decay_from: PartShare = 0.67
    sentences: Count = 12
    """Prompts per update, about half of them questions that rise."""
    draws: Count = 24
    """Contours drawn and scored for each prompt."""
    learned: Even = 8
    """Of these, how many are learned from: half the best, half the worst."""
    credit_s: Positive | None = 0.5
    """Seconds before the end of voicing whose points the reward credits; None credits all."""
    lag_power: NotNegative = 1.0
    """How strongly voices that lag are preferred: each asks questions in proportion to this power
    of their mean distance from the target. 0 prefers none."""
    validation_endings: Count = 12
    """Held-out endings of each kind that every voice is validated on."""

    def __post_init__(self) -> None:
        check(self)
        if self.learned > self.draws:
            raise ConfigError(
                f"EndingsTuning.learned is {self.learned}; expected at most draws, {self.draws}"
            )
