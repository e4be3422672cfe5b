"""The adversary on waveforms: what it sees, and that its gradient reaches them."""

import torch

from dlpo.training.adversary import deception_loss, feature_loss
from dlpo.training.wave_adversary import PERIODS, WINDOWS, PeriodDiscriminator, WaveAdversary

NOISE = torch.randn(2, 4001, generator=torch.Generator().manual_seed(0))


def test_every_judge_has_a_gradient() -> None:
    adversary = WaveAdversary()
    made = NOISE.clone().requires_grad_()
    outputs = adversary(made)
    assert len(outputs) == len(PERIODS) + len(WINDOWS)
    recorded = adversary(NOISE.flip(1))
    for real, output in zip(recorded, outputs, strict=True):
        loss = deception_loss([output]) + feature_loss([real], [output])
        (gradient,) = torch.autograd.grad(loss, made, retain_graph=True)
        assert gradient.abs().max() > 0


def test_silence_gives_a_finite_gradient() -> None:
    silence = torch.zeros(1, 2048, requires_grad=True)
    deception_loss(WaveAdversary()(silence)).backward()
    assert silence.grad is not None
    assert silence.grad.isfinite().all()


def test_a_judge_of_a_period_sees_rows_of_it() -> None:
    judge = PeriodDiscriminator(7)
    repeated = NOISE[:, :7].repeat(1, 100)
    first = judge(repeated).features[0]  # (B, C, rows, 7): alike in all inner rows
    inner = first[:, :, 2:-2]
    torch.testing.assert_close(inner, inner[:, :, :1].expand_as(inner))
