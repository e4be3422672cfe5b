"""A method and its weights: the settings of what a run minimizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dlpo.config.fields import Count, FromOne, NotNegative, Positive
from dlpo.config.strict import check
from dlpo.errors import ConfigError

MethodName = Literal[
    "rwr", "ddpo", "dpok", "klinr", "onlydl", "dlpo", "awm", "nft", "control", "direct"
]
Guide = Literal["return", "recordings"]
CLIP_RANGE = 1e-3  # log-densities are means over samples, so ratios are this close to 1
BOUND = 5.0  # largest advantage in standard deviations; ddpo-pytorch's


@dataclass(frozen=True, slots=True)
class Objective:
    """A method and its weights; `dlpo.rl.methods` has what each method needs."""

    method: MethodName = "dlpo"
    """What is minimized; docs/tuning.md explains each."""
    alpha: NotNegative = 1.0
    """Weight of the reward: in DLPO's and AWM's advantages, and of the direct gradient."""
    beta: NotNegative = 1.0
    """Weight of the diffusion loss in DLPO's return, and of the loss on recordings."""
    guide: Guide | None = None
    """Where DLPO's diffusion loss enters: in the return, or by its gradient on recordings, the
    default. The direct gradient, which has no return, is guided only if this says recordings: by
    the gradient of the control's loss."""
    matching_draws: Count = 1
    """Draws of noise at each level, or pairs of noise and time, for losses on own samples."""
    matching_kl: NotNegative = 0.0
    """Of losses on own samples: weight of the squared distance of predictions from the untuned
    policy's."""
    kl_outside: NotNegative = 0.0
    """Further weight of the same over the points of a flow's sample that no reward credits."""
    error_bound: FromOne | None = None
    """Of losses on own samples: largest loss of a sample to unlearn, in units of its loss before
    tuning; None sets no bound."""
    temperature: Positive = 1.0
    """Of RWR's weights exp(r / temperature), in units of the standardised reward."""
    kl_weight: NotNegative = 0.04
    """Of DPOK and KLinR: advantage that a nat of divergence from the untuned policy costs, summed
    over a sentence's samples. Reference: Flow-GRPO."""
    clip_range: Positive = CLIP_RANGE
    """How far an importance ratio may stray from 1."""
    advantage_bound: Positive = BOUND
    """Largest advantage, in standard deviations of a prompt's draws or units of `reward_scale`."""
    reward_scale: Positive | None = None
    """Reward above the mean of a prompt's draws that is an advantage of 1; None: their standard
    deviation."""
    last_steps: Count = 1
    """Steps that the direct gradient backpropagates through."""
    preference_beta: Positive = 50.0
    """Of Diffusion-DPO: factor of a pair's margin, a difference of mean squared errors. The code
    released with the paper halves its own: the same number is twice as steep here."""

    def __post_init__(self) -> None:
        check(self)
        if self.method in ("dlpo", "direct") and self.alpha == self.beta == 0:
            raise ConfigError(
                f"Objective: alpha and beta are both 0, so {self.method} learns nothing; raise one"
            )

    @property
    def learns_recordings(self) -> bool:
        """Whether the loss on recordings guides, by its own gradient."""
        guide = self.guide or ("recordings" if self.method == "dlpo" else "return")
        return guide == "recordings" and self.beta > 0
