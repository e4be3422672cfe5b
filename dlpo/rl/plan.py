"""What a tuning run is: nothing of it may change when the run is resumed."""

from __future__ import annotations

from dataclasses import dataclass, field

from dlpo.checkpoint import Tuned
from dlpo.errors import ConfigError
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.rl.methods import Objective
from dlpo.rl.rollout import scored_steps


@dataclass(frozen=True, slots=True)
class Plan:
    """Method, reward and chain.

    Raises:
        ConfigError: the chain has no step to learn from, or there is no reward.
    """

    objective: Objective = field(default_factory=Objective)
    rewards: dict[str, float] = field(default_factory=lambda: {"distillmos": 1.0})
    """name -> weight, see `dlpo.rl.rewards.named`"""
    schedule: str = "cosine:1.25"
    """name of the noise schedule"""
    steps: int = 3
    """N, as it will be served"""
    eta: float = 0.7
    """above 0: without noise there is no choice to learn from"""
    pairs_sha256: str | None = None
    """of the preference pairs that dpo learns from; without them it learns from the best and the
    worst of its own rollouts, as the reward has it"""

    def __post_init__(self) -> None:
        if not self.rewards:
            raise ConfigError("Plan.rewards is empty; expected a reward, such as distillmos")
        if not scored_steps(self.chain):
            raise ConfigError(
                f"{self.steps} steps of {self.schedule} with eta {self.eta:g} have no step with"
                " noise to learn from; choose at least 2 steps and eta > 0"
            )

        if self.pairs_sha256 is not None and self.objective.method != "dpo":
            raise ConfigError(
                f"{self.objective.method} doesn't learn from preference pairs; choose method dpo"
            )

    @property
    def chain(self) -> NoiseSchedule:
        """The schedule that is tuned."""
        return named_schedule(self.schedule, self.steps, self.eta)

    def tuned(self, updates: int, base_sha256: str) -> Tuned:
        """What a checkpoint of this run says of itself."""
        reward = ",".join(f"{name}={weight:g}" for name, weight in self.rewards.items())
        if self.pairs_sha256 is not None:
            reward = f"preference pairs {self.pairs_sha256[:12]}"
        return Tuned(
            self.objective.method,
            reward,
            self.schedule,
            self.steps,
            self.eta,
            updates,
            base_sha256,
        )
