"""A weighted sum of rewards, each standardised to zero mean and unit spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dlpo.errors import ConfigError
from dlpo.judges.judge import Scores
from dlpo.rl.rewards.reward import ClipBatch, Judged, Reward

Standardisation = Literal["none", "batch", "running"]
LEAST_SPREAD = 1e-6  # a reward that hardly varies (an inactive guard) adds 0


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and sum of squared deviations of all scores so far."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def with_(self, scores: Scores) -> Moments:
        """The moments after more scores. Reference: Chan, Golub and LeVeque 1983, eq. 2.1."""
        more = len(scores)
        if not more:
            return self
        mean, squares = float(scores.mean()), float(((scores - scores.mean()) ** 2).sum())
        total, apart = self.count + more, mean - self.mean
        return Moments(
            total,
            self.mean + apart * more / total,
            self.squares + squares + apart**2 * self.count * more / total,
        )

    def standardised(self, scores: Scores) -> Scores:
        """(B,) scores at zero mean and unit spread."""
        spread = float(np.sqrt(self.squares / max(1, self.count)))
        if spread < LEAST_SPREAD:
            return np.zeros_like(scores)
        return (scores - self.mean) / spread


class WeightedSum:
    """sum_i w_i (r_i - mean_i) / std_i.

    Judges differ in scale: a point of NISQA is not a point of word errors. `batch` takes mean and
    spread from the batch, `running` from all batches so far including this one; `none` adds raw
    scores.

    Args:
        rewards: at least one, of different names.
        weights: name -> w, for each reward; may be negative for what should fall.
        standardisation: see above.

    Raises:
        ConfigError: no rewards, two of one name, or weights that don't match them.
    """

    def __init__(
        self,
        rewards: Sequence[Reward],
        weights: Mapping[str, float],
        standardisation: Standardisation = "running",
    ) -> None:
        names = [reward.name for reward in rewards]
        if not names or sorted(names) != sorted(weights):
            raise ConfigError(
                f"weights are for {sorted(weights)}, rewards are {sorted(names)}; give each reward"
                " one weight"
            )
        unusable = {name: w for name, w in weights.items() if not np.isfinite(w) or w == 0}
        if unusable:
            raise ConfigError(f"reward weights {unusable} are unusable; expected finite, not 0")
        self.rewards, self.weights = tuple(rewards), dict(weights)
        self.standardisation = standardisation
        self.moments = dict.fromkeys(names, Moments())
        self.name = " + ".join(f"{weights[name]:g} {name}" for name in names)

    def judge(self, clips: ClipBatch) -> Judged:
        """See `Reward.judge`; the parts keep their own scales."""
        judged_by = self.score_parts(clips)
        return Judged(
            self.weigh({name: judged.scores for name, judged in judged_by.items()}),
            {
                part: scores
                for judged in judged_by.values()
                for part, scores in judged.parts.items()
            },
            {
                part: spent
                for judged in judged_by.values()
                for part, spent in judged.seconds.items()
            },
        )

    def score_parts(self, clips: ClipBatch) -> dict[str, Judged]:
        """The scores of each reward by name; running moments are unchanged."""
        return {reward.name: reward.judge(clips) for reward in self.rewards}

    def weigh(self, scores: Mapping[str, Scores]) -> Scores:
        """(B,) sums of the scores of each reward.

        Several processes must gather their scores first: mean and spread span all of them.
        """
        return sum(
            (self.weights[name] * self._standardised(name, scores[name]) for name in self.moments),
            np.zeros(()),
        )

    def _standardised(self, name: str, scores: Scores) -> Scores:
        if self.standardisation == "none":
            return scores
        if self.standardisation == "batch":
            return Moments().with_(scores).standardised(scores)
        self.moments[name] = self.moments[name].with_(scores)
        return self.moments[name].standardised(scores)

    def state(self) -> dict[str, tuple[int, float, float]]:
        """The running moments, for resuming to the bit."""
        return {name: (m.count, m.mean, m.squares) for name, m in self.moments.items()}

    def restore(self, state: Mapping[str, Sequence[float]]) -> None:
        """Continue from `state`.

        Raises:
            ConfigError: the state is of other rewards.
        """
        if set(state) != set(self.moments):
            raise ConfigError(
                f"saved state is of rewards {sorted(state)}; this run has {sorted(self.moments)}"
            )
        self.moments = {
            name: Moments(int(count), float(mean), float(squares))
            for name, (count, mean, squares) in state.items()
        }
