"""The plan of a run: what identifies it."""

from __future__ import annotations

from dataclasses import dataclass, field

from dlpo.checkpoint import Tuned
from dlpo.config.tuning import TuningConfig
from dlpo.errors import ConfigError
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.rl.core.method import Method
from dlpo.rl.core.objective import Objective
from dlpo.rl.core.rollout import scored_steps
from dlpo.rl.methods import METHODS
from dlpo.text.languages import LANGUAGES

HEAR_WORDS = frozenset({"words", "whisper"})  # rewards that compare what is heard with the text


@dataclass(frozen=True, slots=True)
class Plan:
    """Method, reward and chain: what identifies a run, and can't change when it is resumed.

    Raises:
        ConfigError: method and chain don't fit each other, or there is no reward.
    """

    objective: Objective = field(default_factory=Objective)
    rewards: dict[str, float] = field(default_factory=lambda: {"distillmos": 1.0})
    """name -> weight, see `dlpo.rl.reward_models`"""
    schedule: str = "cosine:1.25"
    """name of the noise schedule"""
    steps: int = 3
    """N, as it will be served"""
    eta: float = 0.7
    """above 0 for a method that explores the chain's noise"""

    def __post_init__(self) -> None:
        if not self.rewards:
            raise ConfigError("Plan.rewards is empty; expected at least one, such as distillmos")
        if self.method.scores_noise and not scored_steps(self.chain):
            raise ConfigError(
                f"{self.steps} steps of {self.schedule} with eta {self.eta:g} add no noise for"
                f" {self.objective.method} to explore; choose at least 2 steps and eta > 0"
            )

    @property
    def language(self) -> str | None:
        """The one language, BCP 47, that the rewards hear words in; None if they hear none."""
        return LANGUAGES[0] if HEAR_WORDS & self.rewards.keys() else None

    @property
    def method(self) -> type[Method]:
        """What collects the data and gives the loss."""
        return METHODS[self.objective.method]

    @property
    def chain(self) -> NoiseSchedule:
        """The schedule that is tuned."""
        return named_schedule(self.schedule, self.steps, self.eta)

    def check(self, settings: TuningConfig) -> None:
        """Refuse settings that don't fit the plan.

        Raises:
            ConfigError: a second step on the same data would follow a wrong gradient.
        """
        moves_conditioning, passes = settings.part != "denoiser", settings.passes
        if passes > 1 and moves_conditioning:
            raise ConfigError(
                f"passes is {passes}; expected 1: part {settings.part} changes the conditioning"
                " too, which is computed once per rollout"
            )
        if passes > 1 and self.method.needs_one_pass(self.objective, self.steps):
            raise ConfigError(
                f"passes is {passes}; expected 1: {self.objective.method} has no ratio that would"
                " correct a further step on the same data"
            )

    def tuned(self, updates: int, base_sha256: str) -> Tuned:
        """The provenance of a checkpoint of this run."""
        reward = ",".join(f"{name}={weight:g}" for name, weight in self.rewards.items())
        return Tuned(
            self.objective.method,
            reward,
            self.schedule,
            self.steps,
            self.eta,
            updates,
            base_sha256,
        )
