"""DiffusionNFT against its two mixtures by hand, and a flow's chain against its integral."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.conditions import Conditions, keyed_noise, seed_keys
from dlpo.rl.core.flow import (
    FIRST_TIME,
    MATCHING,
    FlowDenoiser,
    FlowDraws,
    FlowPolicy,
    flow_schedule,
)
from dlpo.rl.core.method import Sample, TuningSetup
from dlpo.rl.core.objective import Objective
from dlpo.rl.nft import DiffusionNFT
from tests.rl.conftest import Affine


def test_good_and_bad_draws_are_matched_by_mixtures() -> None:
    random, mix = np.random.default_rng(0), 0.7
    samples = random.normal(size=(1, 4, 3))  # (B, G, P)
    rewards = np.array([1.5, -0.5, -2.0, 1.0])
    conditions = Conditions((), torch.ones(1, 3, dtype=torch.float64))
    drawn = FlowDraws(conditions, torch.tensor(samples), ((3, 4),))
    model = Affine(0.3, -0.7)
    policy = FlowPolicy[Conditions](model)
    objective = Objective("nft", alpha=mix, beta=0.0, matching_draws=2)
    method = DiffusionNFT(TuningSetup(objective, policy, policy, None, group=4))
    method.acted = (FlowPolicy[Conditions](Affine(0.1, -0.2)),)
    sample = Sample(1.0, drawn, method.compute_advantages(drawn, torch.tensor(rewards)))
    found = torch.stack(torch.autograd.grad(method(sample), [model.a, model.b]))
    noise = keyed_noise((3, 4, MATCHING), 2, 3).double().numpy()
    uniform = np.random.default_rng((3, 4, MATCHING, 1)).random(2)
    good = (1 + ((rewards - rewards.mean()) / rewards.std()).clip(-1, 1)) / 2

    def by_hand(a: float, b: float) -> float:
        total = 0.0
        for k in range(2):
            time = (uniform[k] + k) / 2
            for g in range(4):
                for p in range(3):
                    at = (1 - time) * noise[k, p] + time * samples[0, g, p]
                    new, old = a * at + b * time, 0.1 * at - 0.2 * time
                    wanted = samples[0, g, p] - noise[k, p]
                    nearer = (1 - mix) * old + mix * new - wanted
                    farther = (1 + mix) * old - mix * new - wanted
                    total += good[g] * nearer**2 + (1 - good[g]) * farther**2
        return total / 2 / 4 / 3

    ends = [(by_hand(0.3 + h, -0.7), by_hand(0.3, -0.7 + h)) for h in (1e-5, -1e-5)]
    np.testing.assert_allclose(found, np.subtract(*ends) / 2e-5, rtol=1e-6)


def test_a_flow_without_noise_takes_eulers_steps() -> None:
    flow, steps = Affine(0.3, -0.7).eval(), 5
    conditions = Conditions((), torch.ones(3, 2, dtype=torch.float64))
    chain = ChainPolicy(FlowDenoiser(flow), flow_schedule(steps, 0.0))
    rollout = chain.roll_out(conditions, seed_keys(0, 0, range(3), 1), 1)
    times = np.linspace(FIRST_TIME, 1, steps + 1)
    x = rollout.states[0].numpy() * np.hypot(FIRST_TIME, 1 - FIRST_TIME)
    for now, then in pairwise(times):
        x = x + (then - now) * (0.3 * x - 0.7 * now)
    np.testing.assert_allclose(rollout.output, x, rtol=1e-5)


def test_steps_with_noise_keep_a_gaussian_flow() -> None:
    """The flow from N(0, 1) to N(0, 0.25), whose velocity is known, with all the noise there is."""

    class Gaussian(nn.Module):
        def denoise(self, noisy: Tensor, time: Tensor) -> Tensor:
            variance = (1 - time) ** 2 + 0.25 * time**2
            return noisy * ((0.25 * time - (1 - time)) / variance)[:, None]

    chain = ChainPolicy(FlowDenoiser(Gaussian().eval()), flow_schedule(200, 1.0))
    conditions = Conditions((), torch.ones(1, 20_000, dtype=torch.float64))
    rollout = chain.roll_out(conditions, seed_keys(0, 0, [0], 1), 1)
    assert rollout.output.std().item() == pytest.approx(0.5, rel=0.05)
    assert len(rollout.scored) >= 198
