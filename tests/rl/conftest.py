"""Chains of one sample, whose moments are known in closed form; a tiny voice and its tuning."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from dlpo.config import Parametrisation
from dlpo.config.strict import from_dict
from dlpo.config.tuning import TuningConfig
from dlpo.data.dataset import Corpora
from dlpo.judges.judge import Scores
from dlpo.model.reach import context_frames_per_step
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.conditions import Conditions, seed_keys
from dlpo.rl.core.method import TuningSetup
from dlpo.rl.core.objective import Objective
from dlpo.rl.core.policy import RecordedSamples
from dlpo.rl.core.rollout import Rollout
from dlpo.rl.plan import Plan
from dlpo.rl.prompts import Prompt
from dlpo.rl.recorded_windows import recorded_windows
from dlpo.rl.reward_models import RewardModels
from dlpo.rl.rewards import ClipBatch, Reward, WeightedSum
from dlpo.rl.spoken_chain import conditions_of
from dlpo.rl.tuner import Tuner
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.batches import Batches

NODES = 7  # of the quadrature: exact for polynomials up to degree 13 in each draw


class LinearPolicy(nn.Module):
    """x0 = weight x + bias in each step: with it every state of a chain is Gaussian."""

    parametrisation: Parametrisation = "x0"
    x0_limit: float | None = None

    def __init__(self, bias: float = 0.4, weight: float = 0.3) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float64))
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))
        self.eval()

    def denoise(self, noisy: Tensor, noise_level: Tensor) -> Tensor:
        return self.weight * noisy + self.bias

    def to_waveform(self, x0: Tensor) -> Tensor:
        return x0


class Affine(nn.Module):
    """A flow v(x, t) = a x + b t of every point."""

    parametrisation = "flow"

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def denoise(self, noisy: Tensor, time: Tensor) -> Tensor:
        return self.a * noisy + self.b * time[:, None]


@dataclass(frozen=True)
class Linear:
    """The chain of a `LinearPolicy`, derived independently from Song et al. 2021, eq. 12."""

    schedule: NoiseSchedule

    def step(self, k: int, bias: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, float]:
        """Slope and offset of the next mean as a function of x_k, and its standard deviation."""
        a, b = self.schedule.noise_levels[k : k + 2]
        noise_a, noise_b = math.sqrt(1 - a * a), math.sqrt(max(0.0, 1 - b * b))
        std = self.schedule.eta * noise_b / noise_a * math.sqrt(1 - (a / b) ** 2)
        kept = math.sqrt(max(0.0, noise_b**2 - std**2)) / noise_a
        return b * weight + kept * (1 - a * weight), (b - kept * a) * bias, std

    def moments(self, steps: Sequence[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        """Mean and variance of each state, given (bias, weight) of each step."""
        mean, variance = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
        found = [(mean, variance)]
        for k, (bias, weight) in enumerate(steps):
            slope, offset, std = self.step(k, bias, weight)
            mean, variance = slope * mean + offset, slope**2 * variance + std**2
            found.append((mean, variance))
        return found


class Toy:
    """What tests of one-sample chains share."""

    Policy = LinearPolicy
    Linear = Linear

    @staticmethod
    def conditions(rows: int, samples: int = 1) -> Conditions:
        """Sentences of one sample or a few, in double precision."""
        return Conditions((), torch.ones(rows, samples, dtype=torch.float64))

    @classmethod
    def rollout(
        cls, policy: LinearPolicy, schedule: NoiseSchedule, rows: int, group: int = 1, seed: int = 0
    ) -> Rollout:
        """Many chains of one sample."""
        keys = seed_keys(seed, 0, range(rows // group), group)
        return cls.chain(policy, schedule).roll_out(cls.conditions(rows), keys, group)

    @staticmethod
    def chain(model: Any, schedule: NoiseSchedule) -> ChainPolicy:
        """The policy of a model."""
        return ChainPolicy(model, schedule)

    @staticmethod
    def setup(policy: ChainPolicy, objective: Objective, **given: Any) -> TuningSetup:
        """What a method works with, for its loss alone."""
        given = {"reference": policy, "collector": cast(Any, None)} | given
        return TuningSetup(objective, policy, **given)

    @classmethod
    @torch.no_grad()
    def enumerated(
        cls,
        policy: LinearPolicy,
        schedule: NoiseSchedule,
        nodes_per_draw: int = NODES,
        samples: int = 1,
    ) -> tuple[Rollout, Tensor]:
        """Chains through all nodes of a quadrature, and (B,) weights that make a mean over them
        the exact expectation of a polynomial of the noise."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(nodes_per_draw)
        weights = weights / weights.sum()
        draws = list(product(range(nodes_per_draw), repeat=schedule.noise_count * samples))
        weight = torch.tensor([math.prod(weights[i] for i in row) for row in draws])
        noise = torch.tensor([[nodes[i] for i in row] for row in draws])
        noise = noise.view(len(draws), schedule.noise_count, samples)
        conditions, chain = cls.conditions(len(draws), samples), cls.chain(policy, schedule)
        states, means = [noise[:, 0]], []
        for k in range(schedule.steps):
            means.append(chain.step_mean(conditions, states[-1], k))
            row = schedule.noise_row(k)
            drawn = 0.0 if row is None else schedule.posterior_std[k] * noise[:, row]
            states.append(means[-1] + drawn)
        keys = seed_keys(0, 0, range(len(draws)), 1)
        acted = torch.stack(states), torch.stack(means), torch.empty(0)
        rollout = Rollout(conditions, schedule, *acted, keys, group=1)
        rollout = replace(rollout, log_probs=chain.replay(rollout).log_probs)
        return rollout, weight * len(draws)


def rows_of(rollout: Rollout, first: int, end: int) -> Rollout:
    """Some chains of a rollout, whole sentences of it."""
    part = slice(first, end)
    return replace(
        rollout, conditions=rollout.conditions.rows(part), keys=rollout.keys[part],
        **{name: getattr(rollout, name)[:, part] for name in ("states", "means", "log_probs")},
    )  # fmt: skip


@pytest.fixture
def toy() -> type[Toy]:
    return Toy


@pytest.fixture
def noisy_chain() -> NoiseSchedule:
    """Two steps, both with noise, so that the policy gradient sees all that the policy does."""
    return NoiseSchedule("noisy", np.array([0.3, 0.7, 0.9]), 1.0)


@pytest.fixture
def served_chain() -> NoiseSchedule:
    """Three steps of which the last has no noise, as they are served."""
    return named_schedule("cosine:1.25", 3, 0.7)


@pytest.fixture
def voice(spectral: SpectralWaveGrad2) -> SpectralWaveGrad2:
    """The tiny voice, fresh for each test."""
    return spectral


@pytest.fixture
def dataset(wordy_dataset: Path) -> Corpora:
    """Nine sentences without recordings beside four recorded ones that all say "Hum, hum."."""
    return Corpora([wordy_dataset], [1.0])


@pytest.fixture
def recorded(voice: SpectralWaveGrad2, tiny_dataset: Path) -> RecordedSamples:
    """Three windows of the tiny recordings."""
    batches = Batches(Corpora([tiny_dataset]), "train", 0, 0, voice.config)
    windows = batches.windows(0, 3, 16)
    return recorded_windows(voice, windows, FrozenAcoustics(voice, batches).of(windows))


@pytest.fixture
def sentences(voice: SpectralWaveGrad2) -> Conditions:
    """Two sentences of different lengths, as the tiny voice says them."""
    reach = context_frames_per_step(voice, voice.config.conditioning_channels)
    spoken = [
        Prompt(number, "hum", 10 + np.arange(symbols, dtype=np.int64))
        for number, symbols in enumerate((20, 36))
    ]
    return conditions_of(voice, spoken, reach)


class Loudness:
    """A toy judge: decibels of the whole clip."""

    name = "loudness"

    def judge(self, speech: ClipBatch) -> Scores:
        return np.array([10 * np.log10(np.mean(w**2) + 1e-9) for w in speech.waveforms])


class Steadiness:
    """Another one: minus the power of differences over the power."""

    name = "steadiness"

    def judge(self, speech: ClipBatch) -> Scores:
        return np.array([-np.mean(np.diff(w) ** 2) / np.mean(w**2) for w in speech.waveforms])


def louder(waveforms: Tensor, samples: Tensor, *_: object) -> Tensor:
    """`Loudness` with a gradient, up to a factor."""
    return (waveforms.square().sum(1) / samples).log()


@dataclass(frozen=True)
class Tuning:
    """Runs of some updates on a tiny voice, with toy judges."""

    checkpoint: Path
    data: Path
    out: Path

    Loudness = Loudness
    Steadiness = Steadiness

    def tuner(
        self,
        out: str = "run",
        objective: Objective = Objective(),  # noqa: B008  frozen
        rewards: Sequence[Reward] = (),
        *,
        checkpoint: Path | None = None,
        steps: int = 3,
        judges: Sequence[Reward] = (),
        **settings: Any,
    ) -> Tuner:
        """Six updates of four chains, unless `settings` say otherwise."""
        rewards = rewards or (Loudness(), Steadiness())
        weights = {reward.name: 1.0 / (i + 1) for i, reward in enumerate(rewards)}
        models = RewardModels(WeightedSum(rewards, weights), judges, differentiable=louder)
        plan = Plan(objective, weights, steps=steps)
        config = from_dict(TuningConfig, self.settings() | settings)
        start = checkpoint or self.checkpoint
        data = Corpora([self.data], [1.0])
        return Tuner(start, data, self.out / out, plan, config, models)

    @staticmethod
    def settings() -> dict[str, Any]:
        """What makes a run short."""
        return {
            "updates": 6, "sentences": 2, "group": 2, "rows": 2, "learning_rate": 1e-3,
            "warm_up": 2, "longest_s": 2.5, "window_batch": 2, "window": 12, "log_every": 1,
            "validate_every": 3, "save_every": 3, "guard": False, "adversary_warm_up": 1,
        }  # fmt: skip

    def weights(self, out: str = "run") -> dict[str, Tensor]:
        """All that a run would go on from: learning and averaged weights."""
        state = self.out / out / "state"
        return {
            f"{file}/{name}": value
            for file in ("model", "averaged")
            for name, value in load_file(state / f"{file}.safetensors").items()
        }

    def progress(self, out: str = "run") -> dict[str, Any]:
        """What else it would go on from."""
        progress: dict[str, Any] = json.loads((self.out / out / "state/update.json").read_text())
        return progress

    def log(self, split: str, out: str = "run") -> list[dict[str, Any]]:
        """Lines of the log."""
        lines = (self.out / out / "log.jsonl").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["split"] == split]


@pytest.fixture
def tuning(slow_checkpoint: Path, wordy_dataset: Path, tmp_path: Path) -> Tuning:
    return Tuning(slow_checkpoint, wordy_dataset, tmp_path)
