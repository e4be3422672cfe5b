"""Every method on a toy: "speech" is one period of a sine, and the judge prefers it loud.

    python -m tests.rl.test_sine    a table of them: the reward, and what it didn't measure

The networks know nothing of dlpo but two methods, `condition` and `denoise`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlpo.noise_schedule import NoiseSchedule, from_betas
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.conditions import Conditions
from dlpo.rl.core.flow import FlowDenoiser, FlowPolicy, flow_schedule
from dlpo.rl.core.loop import PlainCollector, PlainRecordings, tune
from dlpo.rl.core.method import TuningSetup
from dlpo.rl.core.objective import MethodName, Objective
from dlpo.rl.core.policy import RecordedSamples
from dlpo.rl.methods import METHODS

LENGTH = 16  # samples of a clip
SCHEDULE = NoiseSchedule("toy", from_betas(np.linspace(0.05, 0.6, 8)), 1.0)
GROUP, PROMPTS = 16, 16
UPDATES = 40
LOUDEST = math.sqrt(0.5)  # RMS of a recording
CHAIN: dict[MethodName, dict[str, Any]] = {
    "rwr": {"temperature": 0.1}, "ddpo": {}, "dpok": {}, "klinr": {}, "dlpo": {"beta": 0.5},
    "awm": {"beta": 0.2, "error_bound": 2.0}, "direct": {"last_steps": 8}, "onlydl": {},
    "control": {}, "nft": {"beta": 0.2},
}  # fmt: skip
FLOW: dict[MethodName, dict[str, Any]] = {
    "rwr": {"temperature": 0.1}, "dlpo": {"beta": 0.5, "error_bound": 2.0},
    "awm": {"beta": 0.2, "error_bound": 2.0}, "direct": {}, "control": {}, "nft": {"beta": 0.2},
}  # fmt: skip
STEPPED: dict[MethodName, dict[str, Any]] = {"ddpo": {}, "dlpo": {"beta": 0.5}}
TOYS = {"chain": CHAIN, "flow": FLOW, "stepped": STEPPED}
"""stepped: a flow as a chain, of which `ddpo` is Flow-GRPO"""
REWARDED = ("ddpo", "dpok", "klinr", "rwr", "dlpo", "awm", "nft", "direct")
SOME = [
    ("chain", "ddpo"),
    ("chain", "dlpo"),
    ("flow", "dlpo"),
    ("flow", "nft"),
    ("stepped", "ddpo"),
]


@dataclass(frozen=True)
class Clip:
    """A prompt: nothing but a number."""

    number: int


class Network(nn.Module):
    """(B, T) and a level or time -> (B, T)."""

    def __init__(self, parametrisation: str) -> None:
        super().__init__()
        self.parametrisation = parametrisation
        self.layers = nn.Sequential(
            nn.Linear(LENGTH + 2, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(),
            nn.Linear(96, LENGTH),
        )  # fmt: skip

    def condition(self, prompts: Sequence[Clip]) -> Conditions:
        return Conditions((), torch.ones(len(prompts), LENGTH))

    def denoise(self, noisy: Tensor, level: Tensor) -> Tensor:
        levels = level.expand(len(noisy))[:, None]
        found: Tensor = self.layers(torch.cat([noisy, levels, (1 - levels**2).sqrt()], 1))
        return found


def recordings(number: int) -> RecordedSamples:
    """Sines of any phase, of amplitudes 0.5 to 1."""
    random = np.random.default_rng((number, 1))
    phase, size = random.uniform(0, 2 * math.pi, (256, 1)), random.uniform(0.5, 1, (256, 1))
    waves = size * np.sin(np.arange(LENGTH) * 2 * math.pi / LENGTH + phase)
    clean = torch.from_numpy(waves).float()
    return RecordedSamples(Conditions((), torch.ones(clean.shape)), clean)


def loudness(drawn: Any) -> Tensor:
    found: Tensor = drawn.output.square().mean(-1).sqrt()
    return found


def policy_of(density: str, network: Network) -> Any:
    if density == "chain":
        return ChainPolicy(network, SCHEDULE, typical_samples=LENGTH)
    if density == "stepped":
        return ChainPolicy(FlowDenoiser(network), flow_schedule(6, 0.7), typical_samples=LENGTH)
    return FlowPolicy[Conditions](network, steps=6)


def train() -> dict[str, Network]:
    """A network of each kind that speaks."""
    found = {}
    for density, parametrisation in (("chain", "eps"), ("flow", "flow")):
        torch.manual_seed(0)
        network = Network(parametrisation)
        policy = policy_of(density, network)
        optimizer = torch.optim.Adam(network.parameters(), 2e-3)
        for update in range(600):
            optimizer.zero_grad()
            loss = policy.diffusion_loss(recordings(update), torch.Generator().manual_seed(update))
            loss.backward()
            optimizer.step()
        found[density] = network.eval()
    return found | {"stepped": found["flow"]}


@pytest.fixture(scope="module")
def trained() -> dict[str, Network]:
    return train()


def drawn_clips(policy: Any) -> Any:
    return policy.draw([Clip(number) for number in range(1000, 1400)], (9, 9), 1)


def drawn_loudness(policy: Any) -> Tensor:
    return loudness(drawn_clips(policy))


def tuned(
    trained: dict[str, Network], density: str, method: MethodName, updates: int = UPDATES,
    **changes: Any,
) -> Any:  # fmt: skip
    """The policy after tuning."""
    networks = []
    for _ in range(2):
        network = Network(trained[density].parametrisation)
        network.load_state_dict(trained[density].state_dict())
        networks.append(network.eval())
    policy, reference = (policy_of(density, network) for network in networks)
    prompts: Callable[[int], list[Clip]] = lambda update: [  # noqa: E731
        Clip(update * PROMPTS + i) for i in range(PROMPTS)
    ]
    kind, objective = METHODS[method], Objective(method, clip_range=0.1, **changes)
    passes = 2 if method == "nft" else 1
    setup = TuningSetup(
        objective, policy, reference, PlainCollector(policy, prompts, loudness, GROUP), GROUP,
        passes,
        recordings=PlainRecordings(recordings) if kind.needs_recordings(objective) else None,
        judge=lambda outputs, drawn: outputs.square().mean(-1).sqrt(),
    )  # fmt: skip
    optimizer = torch.optim.Adam(networks[0].parameters(), 5e-4)
    for figures in tune(kind(setup), optimizer, updates):
        assert math.isfinite(figures["loss"])
    return policy


@pytest.mark.parametrize(
    ("density", "method"),
    [
        pytest.param(density, method, marks=() if (density, method) in SOME else pytest.mark.full)
        for density, methods in TOYS.items()
        for method in methods
    ],
)
def test_a_method_raises_its_reward_and_no_other(
    trained: dict[str, Network], density: str, method: MethodName
) -> None:
    before = drawn_loudness(policy_of(density, trained[density])).mean()
    after = drawn_loudness(tuned(trained, density, method, **TOYS[density][method]))
    if method in REWARDED:
        assert after.mean() > before + 0.05
    else:
        assert abs(after.mean() - before) < 0.1


@pytest.mark.parametrize("density", ["chain", pytest.param("flow", marks=pytest.mark.full)])
def test_the_loss_on_recordings_keeps_dlpo_near_them(
    trained: dict[str, Network], density: str
) -> None:
    free, held = (
        drawn_loudness(tuned(trained, density, "dlpo", beta=beta, error_bound=2.0))
        for beta in (0.0, 5.0)
    )
    shouted = [(found > LOUDEST + 0.1).float().mean().item() for found in (free, held)]
    assert shouted[0] > shouted[1] + 0.2


def measured(policy: Any) -> str:
    """Loudness, clips louder than any recording, and the share of power that isn't the sine."""
    clips = drawn_clips(policy).output
    power = torch.fft.rfft(clips.flatten(0, -2)).abs().square()
    other = 1 - power[:, 1].sum() / power.sum()
    loud = clips.square().mean(-1).sqrt()
    louder = (loud > LOUDEST).float().mean()
    return f"| {loud.mean():.2f} | {100 * louder:.0f} % | {100 * other:.0f} % |"


def table() -> None:
    """Every method after `UPDATES` updates."""
    networks = train()
    print("| | loudness | louder than any recording | power outside the sine |")
    for density, methods in TOYS.items():
        print(f"| {density}, untuned", measured(policy_of(density, networks[density])))
        rows = [(name, name, given) for name, given in methods.items()]
        if "rwr" in methods:
            rows.append(("best of 16", "rwr", {"temperature": 1e-3}))
        for label, method, given in rows:
            torch.manual_seed(0)
            print(f"| {density}, {label}", measured(tuned(networks, density, method, **given)))


if __name__ == "__main__":
    table()
