"""Augmented clips, and judges with a gradient: resampled as at the judge, with its scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.judge import listen_at
from dlpo.rl import augmentation
from dlpo.rl.augmentation import augment, band_limited
from dlpo.rl.differentiable import DifferentiableJudge, SpectralResampler

RATE_HZ = PUBLISHED_GRID.sample_rate_hz

KEY = (1, 2, 3, 0)
TEXTS = ("one", "two")
KEYS = ((0, 0, 0, 0), (0, 0, 1, 0))


@pytest.fixture
def no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise so far below the speech that it does not count."""
    monkeypatch.setattr(augmentation, "NOISE_DB", (-300.0, -300.0))


def tone(hertz: float = 300.0, samples: int = RATE_HZ) -> Tensor:
    return 0.2 * torch.sin(2 * torch.pi * hertz * torch.arange(samples).double() / RATE_HZ)


def level_db(waveform: Tensor) -> float:
    return float(10 * waveform.double().square().mean().log10())


def test_seeds_of_a_sentence_are_treated_alike(no_noise: None) -> None:
    """Whatever is heard of one, the other has the same there: band and level."""
    first, second = tone(300), tone(440)
    both = augment(first + second, RATE_HZ, KEY, 18_000) - augment(first, RATE_HZ, KEY, 18_000)
    torch.testing.assert_close(both, augment(second, RATE_HZ, KEY, 18_000))


def test_level_stays_within_its_bounds_and_uses_them(no_noise: None) -> None:
    gains = [
        level_db(augment(tone(), RATE_HZ, (0, 0, i, 0), 18_000)) - level_db(tone())
        for i in range(100)
    ]
    assert -6.01 < min(gains) < -5
    assert 5 < max(gains) < 6.01


def test_noise_is_as_far_below_the_speech_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "GAIN_DB", 0.0)
    monkeypatch.setattr(augmentation, "NOISE_DB", (-40.0, -40.0))
    added = augment(tone(), RATE_HZ, KEY, 18_000) - tone()
    assert level_db(added) - level_db(tone()) == pytest.approx(-40, abs=0.2)


def test_band_ends_where_it_should() -> None:
    for hertz, lost_db in ((300, 0), (5_700, 0), (6_110, 6), (6_600, 100)):
        lost = level_db(tone(hertz)) - level_db(band_limited(tone(hertz), 7 / 12))
        assert min(lost, 100) == pytest.approx(lost_db, abs=0.1), hertz


def test_the_judge_hears_each_clip_changed_at_its_own_length() -> None:
    heard: list[Tensor] = []

    class Listens:
        sample_rate_hz = RATE_HZ
        takes_bfloat16 = False

        def score_with_gradient(self, waveform: Tensor, text: str) -> Tensor:
            heard.append(waveform)
            return waveform.sum()

    clips = torch.stack([tone(), torch.cat([tone(200, 9_000), torch.zeros(RATE_HZ - 9_000)])])
    DifferentiableJudge(Listens(), RATE_HZ, augments=True)(
        clips, torch.tensor([RATE_HZ, 9_000]), KEYS, TEXTS
    )
    for row, length, key, found in zip(clips, (RATE_HZ, 9_000), KEYS, heard, strict=True):
        torch.testing.assert_close(found, augment(row[:length], RATE_HZ, key, 14_000))


def test_gradient_agrees_with_finite_differences(no_noise: None) -> None:
    x = torch.randn(40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda w: augment(w, RATE_HZ, KEY, 14_000), x.requires_grad_())


def test_waveforms_arrive_as_they_do_at_the_judge() -> None:
    random = np.random.default_rng(0)
    hiss = 0.1 * random.standard_normal(7_777).astype(np.float32) * np.hanning(7_777)
    expected = listen_at(16_000, [hiss.astype(np.float32)], RATE_HZ)[0]
    found = SpectralResampler(RATE_HZ, 16_000)(torch.from_numpy(hiss).float())
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


@pytest.fixture(scope="module")
def distillmos() -> DistillMOS:
    return DistillMOS()


@pytest.fixture
def speech() -> torch.Tensor:
    """Two hums that fade in and out, the first shorter."""
    at = np.arange(RATE_HZ) / RATE_HZ
    hums = [sum(np.cos(2 * np.pi * k * f0 * at) / k for k in range(1, 20)) for f0 in (120, 210)]
    fades = np.zeros((2, RATE_HZ))
    fades[0, : RATE_HZ // 2], fades[1] = (
        np.hanning(RATE_HZ // 2),
        np.hanning(RATE_HZ),
    )
    waveforms = 0.05 * np.stack(hums) * fades
    return torch.from_numpy(waveforms.astype(np.float32))


def test_scores_are_those_of_the_judge(distillmos: DistillMOS, speech: torch.Tensor) -> None:
    lengths = torch.tensor([RATE_HZ // 2, RATE_HZ])
    reward = DifferentiableJudge(distillmos, RATE_HZ)
    ours = reward(speech, lengths, KEYS, TEXTS)
    clips = [row[:n].numpy() for row, n in zip(speech, lengths.tolist(), strict=True)]
    within = 0.05 if reward.bfloat16 else 0.005  # bfloat16, where the processor has it
    np.testing.assert_allclose(ours.numpy(), distillmos.score(clips, RATE_HZ), atol=within)


def test_a_step_along_the_gradient_raises_the_score(
    distillmos: DistillMOS, speech: torch.Tensor
) -> None:
    reward = DifferentiableJudge(distillmos, RATE_HZ)
    lengths = torch.tensor([RATE_HZ])
    heard = speech[1:].clone().requires_grad_()
    before = reward(heard, lengths, KEYS[:1], TEXTS[:1])
    before.sum().backward()
    assert heard.grad is not None
    assert bool(torch.isfinite(heard.grad).all())  # though the judge pads with silence
    moved = speech[1:] + 1e-3 * heard.grad / heard.grad.norm() * speech[1:].norm()
    assert float(reward(moved, lengths, KEYS[:1], TEXTS[:1])) > before.item()
    assert all(parameter.grad is None for parameter in distillmos.network.parameters())
