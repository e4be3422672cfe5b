"""The control: training's own losses, with its adversary."""

from __future__ import annotations

import torch
from accelerate import Accelerator

from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.method import RecordedPart
from dlpo.rl.core.policy import RecordedSamples
from dlpo.rl.supervised import supervised_loss
from dlpo.training.adversary import AdversarialTrainer


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
