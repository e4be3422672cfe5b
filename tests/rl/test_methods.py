"""Every method's loss on a tiny voice, what coincides, and what a plan refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from dlpo.checkpoint import load_checkpoint
from dlpo.config.tuning import TuningConfig
from dlpo.errors import ConfigError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.conditions import Conditions, seed_keys
from dlpo.rl.core.method import Method, RecordedPart, RolloutMethod, Sample
from dlpo.rl.core.objective import MethodName, Objective
from dlpo.rl.core.policy import RecordedSamples
from dlpo.rl.core.rollout import Rollout
from dlpo.rl.dlpo import GUIDE_DRAWS
from dlpo.rl.methods import METHODS
from dlpo.rl.plan import Plan
from dlpo.rl.recordings import supervised_loss
from dlpo.rl.spoken_chain import freeze_all_but
from dlpo.training.adversary import AdversarialTrainer
from tests.rl.conftest import Toy, rows_of

LEARNS_FROM_ROLLOUTS = [name for name in METHODS if name != "control"]


def brightness(outputs: Tensor, rollout: Rollout) -> Tensor:
    """A reward with a gradient: the power of differences over the power."""
    inside = outputs * rollout.conditions.inside
    return inside.diff(dim=1).square().sum(1) / inside.square().sum(1)


@pytest.fixture
def policy(voice: SpectralWaveGrad2, served_chain: NoiseSchedule) -> ChainPolicy:
    freeze_all_but(voice, "denoiser")
    return ChainPolicy(voice, served_chain)


@pytest.fixture
def rollout(policy: ChainPolicy, sentences: Conditions) -> Rollout:
    return policy.roll_out(sentences.repeat(2), seed_keys(0, 0, [0, 1], 2), 2)


@pytest.fixture
def rewards() -> Tensor:
    return torch.tensor([-1.2, 0.3, 2.0, 0.5])


@pytest.fixture
def learner(toy: type[Toy], policy: ChainPolicy) -> Callable[..., Method]:
    """An objective -> its method, without what collects data."""

    def made(objective: Objective, reference: ChainPolicy | None = None) -> Method:
        setup = toy.setup(policy, objective, reference=reference or policy, judge=brightness)
        return METHODS[objective.method](setup)

    return made


def part_of(method: Method, rollout: Rollout, rewards: Tensor) -> Sample:
    """Some chains as the method takes them."""
    assert isinstance(method, RolloutMethod)
    return Sample(1.0, rollout, method.compute_advantages(rollout, rewards))


def gradient(policy: ChainPolicy, loss: Tensor) -> Tensor:
    learning = [p for p in policy.parameters() if p.requires_grad]
    found = torch.autograd.grad(loss, learning, allow_unused=True)
    return torch.cat([g.flatten() for g in found if g is not None])


@pytest.mark.parametrize("name", LEARNS_FROM_ROLLOUTS)
def test_parts_of_a_rollout_add_up_to_the_whole(
    name: MethodName,
    policy: ChainPolicy,
    tiny_checkpoint: Path,
    rollout: Rollout,
    rewards: Tensor,
    learner: Callable[..., Method],
) -> None:
    reference = ChainPolicy(load_checkpoint(tiny_checkpoint).model, policy.schedule)
    method = learner(Objective(name, matching_kl=0.1), reference)
    whole = method(part_of(method, rollout, rewards))
    parts = [
        method(part_of(method, rows_of(rollout, i, i + 2), rewards[i : i + 2])) for i in (0, 2)
    ]
    found = (gradient(policy, parts[0]) + gradient(policy, parts[1])) / 2
    expected = gradient(policy, whole)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_gradients_of_reward_and_loss_add_up_to_that_of_dlpo(
    policy: ChainPolicy, rollout: Rollout, rewards: Tensor, learner: Callable[..., Method]
) -> None:
    objectives = (
        Objective("dlpo", alpha=2.0, beta=3.0, guide="return"),
        Objective("ddpo"),
        Objective("onlydl"),
    )
    dlpo, ddpo, onlydl = (
        gradient(policy, method(part_of(method, rollout, rewards)))
        for method in map(learner, objectives)
    )
    torch.testing.assert_close(dlpo, 2 * ddpo + 3 * onlydl, rtol=1e-3, atol=1e-6)
    assert ddpo.any()


def test_recordings_guide_dlpo_by_default(
    learner: Callable[..., Method], rollout: Rollout, rewards: Tensor
) -> None:
    default, dlpo = Objective(), METHODS["dlpo"]
    assert dlpo.needs_recordings(default)
    assert not dlpo.needs_recordings(replace(default, beta=0.0))
    assert not METHODS["direct"].needs_recordings(Objective("direct"))
    alone = learner(Objective("ddpo")).compute_advantages(rollout, rewards)
    torch.testing.assert_close(learner(default).compute_advantages(rollout, rewards), alone)


def test_own_loss_is_half_of_the_return_where_it_guides(
    learner: Callable[..., Method], rollout: Rollout, rewards: Tensor
) -> None:
    """Half of the advantage is the diffusion loss's, at any scale of the reward."""
    method = learner(Objective(guide="return"))
    guide = method.policy.own_loss(rollout, GUIDE_DRAWS).view(2, 2, 2)
    lower = guide.argmin(-1, keepdim=True)
    alike = method.compute_advantages(rollout, torch.zeros(4)).view(2, 2, 2)
    assert bool((alike.gather(-1, lower) > 0).all())
    torch.testing.assert_close(
        method.compute_advantages(rollout, 100 * rewards),
        method.compute_advantages(rollout, rewards),
    )


@pytest.mark.parametrize("name", ["dpok", "klinr"])
def test_the_scale_of_the_reward_leaves_the_divergence_alone(
    name: MethodName, policy: ChainPolicy, tiny_checkpoint: Path, rollout: Rollout,
    rewards: Tensor, learner: Callable[..., Method],
) -> None:  # fmt: skip
    reference = ChainPolicy(load_checkpoint(tiny_checkpoint).model, policy.schedule)
    with torch.no_grad():
        next(iter(reference.model.spectrum_out.parameters())).add_(1e-3)
    method = learner(Objective(name), reference)
    losses = [method(part_of(method, rollout, scale * rewards)) for scale in (1.0, 100.0)]
    torch.testing.assert_close(gradient(policy, losses[0]), gradient(policy, losses[1]))


def test_control_loss_guides_direct(
    policy: ChainPolicy, rollout: Rollout, rewards: Tensor, recorded: RecordedSamples,
    learner: Callable[..., Method], toy: type[Toy],
) -> None:  # fmt: skip
    def on_recordings(kind: type[Method], objective: Objective) -> Tensor:
        setup = toy.setup(policy, objective, supervised=partial(supervised_loss, policy))
        method = kind(setup)
        return method(RecordedPart(recorded, torch.Generator().manual_seed(0)))

    guided = Objective("direct", alpha=0.5, beta=3.0, guide="recordings")
    control = on_recordings(METHODS["control"], Objective("control"))
    torch.testing.assert_close(on_recordings(METHODS["direct"], guided), 3 * control)
    assert METHODS["direct"].supervised
    alone, half = (
        method(part_of(method, rollout, rewards))
        for method in (learner(Objective("direct")), learner(guided))
    )
    torch.testing.assert_close(half, 0.5 * alone)
    direct = METHODS["direct"]
    assert not direct.needs_recordings(Objective("direct"))
    assert direct.needs_recordings(Objective("direct", guide="recordings"))


@pytest.mark.parametrize(
    "values",
    [
        {"method": "ppo"}, {"guide": "none"}, {"alpha": -1.0}, {"beta": float("nan")},
        {"clip_range": 0.0}, {"advantage_bound": -1.0}, {"last_steps": 0},
        {"temperature": 0.0}, {"alpha": 0.0, "beta": 0.0},
    ],
)  # fmt: skip
def test_an_objective_is_checked(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Objective(**values)


@pytest.mark.parametrize(
    ("objective", "allowed"),
    [
        (Objective("dlpo"), True), (Objective("ddpo"), True), (Objective("dpok"), True),
        (Objective("klinr"), False), (Objective("rwr"), True), (Objective("control"), True),
        (Objective("awm"), True),
        (Objective("awm", beta=0.0), False), (Objective("awm", beta=0.0, matching_kl=1.0), True),
        (Objective("direct"), False), (Objective("direct", last_steps=3), True),
    ],
)  # fmt: skip
def test_passes_need_a_correction(objective: Objective, allowed: bool) -> None:
    plan = Plan(objective)
    plan.check(TuningConfig(passes=1))
    if allowed:
        plan.check(TuningConfig(passes=2))
    else:
        with pytest.raises(ConfigError, match="passes is 2; expected 1"):
            plan.check(TuningConfig(passes=2))


def test_the_adversary_learns_and_adds_its_losses(
    voice: SpectralWaveGrad2, recorded: RecordedSamples, served_chain: NoiseSchedule
) -> None:
    def loss(adversary: AdversarialTrainer | None) -> torch.Tensor:
        part = RecordedPart(recorded, torch.Generator().manual_seed(0))
        return supervised_loss(ChainPolicy(voice, served_chain), part, adversary)

    adversary = AdversarialTrainer(Accelerator(cpu=True), 4e-4, 1.0)
    before = [p.clone() for p in adversary.adversary.parameters()]
    with_adversary = loss(adversary)
    with_adversary.backward()
    assert with_adversary > loss(None)
    assert bool(torch.isfinite(voice.spectrum_out.weight.grad).all())
    after = adversary.adversary.parameters()
    assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
