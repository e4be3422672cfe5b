"""How a checkpoint is tuned, apart from method, chain and reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dlpo.config.strict import check_ranges
from dlpo.config.training import RunConfig

Subspace = Literal["tensors", "channels", "rank1"]


@dataclass(frozen=True, slots=True)
class TuningConfig(RunConfig):
    """How a checkpoint is tuned: everything that may change when a run is resumed."""

    updates: int = 200
    """Rollouts to learn from in the whole run, or as many batches of recordings."""
    sentences: int = 8
    """Prompts an update, shared out over the processes."""
    group: int = 8
    """Seeds of each sentence, G, compared by its advantages; or perturbed voices, half mirrored."""
    rows: int = 16
    """Chains in memory at once, rounded to whole sentences."""
    passes: int = 1
    """Optimizer steps on each rollout; each draws new recordings."""
    learning_rate: float = 3e-5
    warm_up: int = 10
    """Updates over which the learning rate rises from 0."""
    ema_decay: float = 0.98
    weight_decay: float = 0.0
    """0: decay alone would move the policy where the reward says nothing."""
    longest_s: float | None = 6.0
    """Seconds; sentences that took the speaker longer are no prompts. None keeps all."""
    explore_std: float = 0.05
    """Exploring weights: standard deviation of a perturbation, relative to a weight's own size."""
    explore_rate: float = 0.01
    """Exploring weights: RMS change of the weights' coordinates in the first update, relative to a
    weight's own size; it falls linearly to a tenth of that at the last update."""
    explore_momentum: float = 0.5
    """Exploring weights: share of a step that is repeated in the next."""
    subspace: Subspace = "tensors"
    """Exploring weights: the largest block of coordinates, see `dlpo.rl.explore`."""
    grow_every: int = 20
    """Exploring weights: updates until the next block is explored as well."""
    adversary: bool = True
    """Whether the control includes the adversary that training ended with; not for the published
    model, which has none."""
    adversary_rate: float = 4e-4
    """Learning rate of that adversary."""
    adversary_warm_up: int = 100
    """Batches that the adversary, whose weights no checkpoint has, is trained on beforehand."""
    window_batch: int = 16
    """Windows of recordings an optimizer step, for methods that learn from recordings."""
    window: int = 48
    """Frames of such a window (73.5 a second)."""
    standardisation: Literal["none", "batch", "running"] = "running"
    """How the parts of a reward are brought to one scale, see `WeightedSum`."""
    augment: bool = False
    """Whether the reward receives augmented clips, against hacking."""
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
    validate_every: int = 25
    save_every: int = 25
    precision: Literal["bf16", "no"] = "no"
    """Arithmetic inside convolutions and matrix products. bf16 rounds more than a policy moves in
    an update."""

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        counts = (
            "sentences", "group", "rows", "passes", "window_batch", "window",
            "validation_sentences", "grow_every",
        )  # fmt: skip
        positive = (
            "kl_limit", "judge_margin", "words_margin", "longest_s", "validation_longest_s",
            "explore_std", "explore_rate", "adversary_rate",
        )  # fmt: skip
        check_ranges(
            self,
            **dict.fromkeys(counts, "1 or more"),
            **dict.fromkeys(positive, "above 0"),
            **dict.fromkeys(("warm_up", "adversary_warm_up"), "0 or more"),
            explore_momentum="0 <= x < 1",
        )

    def rate(self, update: int) -> float:
        """The learning rate of update `update` (0 is the first)."""
        return self.learning_rate * min(1.0, (update + 1) / max(1, self.warm_up))

    def exploration_rate(self, update: int) -> float:
        """RMS change of the explored coordinates in update `update` (0 is the first)."""
        return self.explore_rate * max(0.1, 1 - 0.9 * update / max(1, self.updates - 1))
