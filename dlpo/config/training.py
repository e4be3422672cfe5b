"""How models are trained and tuned: a run, and the recipe of each model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dlpo.config.strict import check_ranges
from dlpo.errors import ConfigError

TunedPart = Literal["denoiser", "sound", "adapters"]


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Settings of every training or tuning run."""

    updates: int = 1_000
    """Updates of the whole run; the learning rate's decay ends there."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    """Largest norm of the gradient."""
    ema_decay: float = 0.999
    """Decay of the averaged weights, which are validated and saved."""
    precision: Literal["auto", "bf16", "no"] = "auto"
    """Arithmetic inside convolutions and matrix products; weights and losses stay float32. auto is
    bf16 if the processor or GPU supports it: emulated, it takes seven times as long."""
    seed: int = 0
    log_every: int = 100
    """Updates between lines of the log."""
    validate_every: int = 500
    """Updates between measurements on the validation split."""
    save_every: int = 1_000
    """Updates between states to resume from."""

    def __post_init__(self) -> None:
        check_ranges(
            self,
            **dict.fromkeys(("updates", "log_every", "validate_every", "save_every"), "1 or more"),
            **dict.fromkeys(("seed", "weight_decay"), "0 or more"),
            learning_rate="0 < x <= 1",
            gradient_clip="above 0",
            ema_decay="0 <= x < 1",
        )

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
    updates: int = 20_000
    batch: int = 16
    """Windows per update of the denoiser, on each process."""
    window: int = 48
    """Frames of a window that the denoiser sees (73.5 a second)."""
    acoustic_batch: int = 6
    """Windows per update of the acoustics, on each process."""
    acoustic_window: int = 448
    """Frames of an acoustics window: fits most sentences, since each is encoded whole."""
    timing_batch: int = 4
    """Sentences per update, short and long alike, that only teach durations: all that timing learns
    from, and further ones of the acoustics; 0 for none."""
    first_share: float = 3 / 8
    """Share of the denoiser's windows at the start of a chain: all that a one-step chain needs."""
    start_weight: float = 1.0
    """Weight of the diffusion loss of those windows: at the start of a chain it is smallest for the
    average of all plausible waveforms."""
    adversarial_from: int = 10_000
    """Update from which the denoiser must also fool an adversary."""
    adversarial_rate: float = 4e-4
    """Learning rate of denoiser and adversary, once there is one."""
    adversary_every: int = 2
    """Denoiser updates per update of the adversary, which otherwise learns faster."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: of the wide layers, except embeddings and the denoiser's last one; AdamW's is the rest.
    See `dlpo.training.muon`."""
    warmup: int = 300
    """Updates over which the learning rate rises from 0."""
    decay_from: float = 0.5
    """Share of the run after which the learning rate falls linearly to 3 % of its peak."""
    interpolation: float = 1.0
    """How far the checkpoint lies from the start to what was learned; below 1 it keeps more of what
    tuning taught (weight interpolation, arXiv 2109.01903). The log measures what was learned."""
    save_every: int = 500

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        counts = ("batch", "window", "acoustic_batch", "acoustic_window", "adversary_every")
        check_ranges(
            self,
            **dict.fromkeys(counts, "1 or more"),
            **dict.fromkeys(("adversarial_rate", "interpolation"), "0 < x <= 1"),
            **dict.fromkeys(
                ("start_weight", "timing_batch", "warmup", "adversarial_from"), "0 or more"
            ),
            **dict.fromkeys(("first_share", "decay_from"), "0 <= x <= 1"),
        )
        if self.part == "timing":
            check_ranges(self, timing_batch="1 or more")

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

    updates: int = 2_000
    reading_updates: int = 1_500
    """The first updates, which train only the reader, to guess hidden durations and symbols of all
    sentences of the corpus, with and without audio."""
    batch: int = 16
    """Sentences per update."""
    draws: int = 4
    """Draws of noise and time per sentence in an update of the contour."""
    reading_rate: float = 0.2
    """Factor on the learning rate of the reader, while the contour trains."""
    warmup: int = 50
    """Updates over which the learning rate rises from 0, in both parts."""
    decay_from: float = 0.4
    """Share of each part after which the learning rate falls linearly to 2 % of its peak."""
    weight_decay: float = 0.05
    ema_decay: float = 0.995
    hidden_symbols: float = 0.1
    """Share of the symbols that are hidden."""
    duration_noise: float = 0.15
    """Standard deviation of noise on log durations, since in synthesis they are predicted."""
    log_every: int = 50
    validate_every: int = 250
    save_every: int = 250

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        check_ranges(self, batch="1 or more", draws="1 or more", hidden_symbols="0 <= x < 1")
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

    updates: int = 1_000_000
    batch: int = 12
    """Windows per update, on each process; each comes with its whole sentence."""
    window: int = 256
    """Frames of a window that the decoder is scored on (73.5 a second)."""
    context: int = 6
    """Frames on either side that the decoder also sees but isn't scored on: its reach, so that
    it learns nothing from artificial sentence ends. 10 in `large`."""
    duration_weight: float = 1.0
    """Weight of the squared error of durations, in seconds, relative to the L1 of the noise."""
    level_balance: float = 0.0
    """How evenly noise levels count, 0 to 1: the error of the noise is divided by what the noisy
    waveform doesn't tell of it (`WaveGrad2.untold`), to this power. 0 is as published."""
    level_focus: float = 1.0
    """Above 1, low noise is drawn more often: `continuous_levels`. 1 is as published."""
    mel_weight: float = 0.0
    """Weight of the L1 of log-mel, in nats, predicted from the hidden sequence of each frame: the
    multi-task learning of Chen et al. 2021 (section 3), which the reproduction leaves out. 0 trains
    without it, unless `mel_updates` come first. The weight in the paper isn't known."""
    mel_updates: int = 0
    """Updates at the start that learn only log-mel, at weight 1, and durations, from whole
    sentences: a tiny part of the time of others, since the decoder isn't run."""
    mel_batch: int = 16
    """Sentences per update of those, on each process."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """Of the weights of convolutions; see `dlpo.training.muon`. AdamW in the reproduction."""
    learning_rate: float = 3e-4
    warmup: int = 0
    """Updates over which the learning rate rises from 0, in both parts. 0 in the reproduction."""
    decay_start: int = 25_000
    """Update from which the learning rate falls exponentially."""
    decay_end: int = 100_000
    """Update from which it stays constant."""
    decay: float = 0.05
    """Share of the learning rate left by then."""
    weight_decay: float = 1e-6
    validate_every: int = 1_000
    save_every: int = 5_000

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        check_ranges(
            self,
            **dict.fromkeys(("batch", "window", "mel_batch"), "1 or more"),
            **dict.fromkeys(("context", "decay_start", "warmup"), "0 or more"),
            **dict.fromkeys(("mel_weight", "mel_updates"), "0 or more"),
            level_balance="0 <= x <= 1",
            level_focus="1 or more",
            decay="0 < x <= 1",
            duration_weight="above 0",
        )
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


@dataclass(frozen=True, slots=True)
class TuningConfig(RunConfig):
    """How a checkpoint is tuned: everything that may change when a run is resumed."""

    part: TunedPart = "denoiser"
    """What learns: the denoiser, without its conditioning; sound: mel predictor, conditioning and
    denoiser; or the adapters of the data's voices, which change no other."""
    updates: int = 200
    """Rollouts, or batches of recordings, to learn from in the whole run."""
    sentences: int = 8
    """Prompts per update, split across the processes."""
    group: int = 8
    """Seeds per sentence, G, which advantages compare."""
    rows: int = 16
    """Chains in memory at a time, rounded to whole sentences."""
    passes: int = 1
    """Optimizer steps on each rollout; each draws new recordings."""
    learning_rate: float = 3e-5
    warm_up: int = 10
    """Updates over which the learning rate rises from 0."""
    decay_from: float = 1.0
    """Share of the run after which the learning rate falls linearly to 3 %; 1: it never falls."""
    ema_decay: float = 0.98
    weight_decay: float = 0.0
    """0: decay alone would move the policy where the reward says nothing."""
    longest_s: float | None = 6.0
    """Seconds; sentences that took the speaker longer are not prompts. None keeps all."""
    adversary: bool = True
    """Whether the control's loss, also where it guides another method, includes the adversary
    that training ended with; not for the published model, which has none."""
    adversary_rate: float = 4e-4
    """Learning rate of that adversary."""
    adversary_warm_up: int = 100
    """Batches to train the adversary on beforehand, since checkpoints lack its weights."""
    window_batch: int = 16
    """Windows of recordings per optimizer step, for methods that learn from recordings."""
    window: int = 48
    """Frames of such a window (73.5 a second)."""
    same_level: bool = False
    """Whether the reward hears all clips at one level, so that it can't be pleased by loudness."""
    augment: bool = False
    """Whether the reward receives augmented clips, to make hacking harder."""
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
    """Seconds; leaves out longer validation sentences, for speed. None keeps all."""
    log_every: int = 5
    validate_every: int = 25
    save_every: int = 25
    precision: Literal["bf16", "no"] = "no"
    """Arithmetic inside convolutions and matrix products. bf16 rounds more than a policy moves in
    an update."""

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        counts = (
            "sentences", "group", "rows", "passes", "window_batch", "window",
            "validation_sentences",
        )  # fmt: skip
        positive = (
            "kl_limit", "judge_margin", "words_margin", "longest_s", "validation_longest_s",
            "adversary_rate",
        )  # fmt: skip
        check_ranges(
            self,
            **dict.fromkeys(counts, "1 or more"),
            **dict.fromkeys(positive, "above 0"),
            **dict.fromkeys(("warm_up", "adversary_warm_up"), "0 or more"),
            decay_from="0 <= x <= 1",
        )

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first)."""
        warmup, decay_from = self.warm_up, self.decay_from
        factor = ramp(update, 0, self.updates, warmup=warmup, decay_from=decay_from)
        return self.learning_rate * factor


@dataclass(frozen=True, slots=True)
class PitchTuning(RunConfig):
    """How the pitch flow is tuned, by whatever it learns from."""

    updates: int = 180
    learning_rate: float = 3e-4
    warm_up: int = 10
    """Updates over which the learning rate rises from 0."""
    decay_from: float = 0.5
    """Share of the run after which the learning rate falls linearly to a tenth."""
    weight_decay: float = 0.0
    ema_decay: float = 0.95
    times: int = 4
    """Pairs of noise and time per contour, shared by the contours of a sentence."""
    recorded: int = 16
    """Recordings per update of the diffusion loss."""
    log_every: int = 5
    validate_every: int = 25
    save_every: int = 25
    precision: Literal["bf16", "no"] = "no"

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        check_ranges(
            self,
            **dict.fromkeys(("times", "recorded"), "1 or more"),
            warm_up="0 or more",
            decay_from="0 <= x < 1",
        )

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first)."""
        warmup, decay_from = self.warm_up, self.decay_from
        factor = ramp(update, 0, self.updates, warmup=warmup, decay_from=decay_from, least=0.1)
        return self.learning_rate * factor


@dataclass(frozen=True, slots=True)
class PitchPairsTuning(PitchTuning):
    """How the pitch learns from listeners' pairs."""

    voice: str | None = None
    """Speaker of the pairs; the first of the checkpoint by default."""
    pairs: int = 16
    """Pairs per update."""
    preference_beta: float = 50.0
    """Of Diffusion-DPO: factor of a pair's margin, a difference of mean squared errors. The code
    released with the paper halves its own: the same number is twice as steep here."""

    def __post_init__(self) -> None:
        PitchTuning.__post_init__(self)
        check_ranges(self, pairs="1 or more", preference_beta="above 0")


@dataclass(frozen=True, slots=True)
class EndingsTuning(PitchTuning):
    """How the ends of sentences are tuned: by advantage-weighted matching."""

    updates: int = 240
    decay_from: float = 0.67
    sentences: int = 12
    """Prompts per update, about half of them questions that rise."""
    draws: int = 24
    """Contours drawn and scored for each prompt."""
    learned: int = 8
    """Of these, how many are learned from: half the best, half the worst."""
    credit_s: float | None = 0.5
    """Seconds before the end of voicing whose points the reward credits; None credits all."""
    scale_st: float = 3.0
    """Semitones of reward in an advantage of 1."""
    advantage_bound: float = 3.0
    lag_power: float = 1.0
    """How strongly voices that lag are preferred: each asks questions in proportion to this power
    of their mean distance from the target. 0 prefers none."""
    error_bound: float = 1.5
    """Largest error of a contour to unlearn, in units of its error before tuning."""
    validation_endings: int = 12
    """Held-out endings of each kind that every voice is validated on."""

    def __post_init__(self) -> None:
        PitchTuning.__post_init__(self)
        check_ranges(
            self,
            **dict.fromkeys(("sentences", "validation_endings"), "1 or more"),
            **dict.fromkeys(("scale_st", "advantage_bound"), "above 0"),
            error_bound="1 or more",
        )
        if self.learned % 2 or not 2 <= self.learned <= self.draws:
            raise ConfigError(
                f"EndingsTuning.learned is {self.learned}; expected an even number from 2 to"
                f" draws, {self.draws}"
            )
