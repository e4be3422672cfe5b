"""Augmented clips: changed a little, equally for the seeds of a sentence, with a gradient."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from dlpo.audio import SAMPLE_RATE
from dlpo.rl import direct
from dlpo.rl.direct import augment, augmented_judge, band_limited
from dlpo.rl.rollout import Key

KEY = (1, 2, 3, 0)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise so far below the speech that it does not count."""
    monkeypatch.setattr(direct, "NOISE_DB", (-300.0, -300.0))


def tone(hertz: float = 300.0, samples: int = SAMPLE_RATE) -> Tensor:
    return 0.2 * torch.sin(2 * torch.pi * hertz * torch.arange(samples).double() / SAMPLE_RATE)


def level_db(waveform: Tensor) -> float:
    return float(10 * waveform.double().square().mean().log10())


def power(waveforms: Tensor, samples: Tensor, keys: Sequence[Key]) -> Tensor:
    """A judge that likes it loud."""
    return waveforms.square().sum(1) / samples


def test_the_judge_hears_each_clip_changed_at_its_own_length() -> None:
    heard: list[Tensor] = []

    def listens(waveforms: Tensor, samples: Tensor, keys: Sequence[Key]) -> Tensor:
        heard.append(waveforms)
        return power(waveforms, samples, keys)

    clips = torch.stack([tone(), torch.cat([tone(200, 9_000), torch.zeros(SAMPLE_RATE - 9_000)])])
    augmented_judge(listens)(clips, torch.tensor([SAMPLE_RATE, 9_000]), [KEY, (1, 2, 4, 0)])
    first, second = heard[0]
    torch.testing.assert_close(first, augment(clips[0], KEY, 14_000))
    torch.testing.assert_close(second[:9_000], augment(clips[1, :9_000], (1, 2, 4, 0), 14_000))
    assert not second[9_000:].any()


def test_seeds_of_a_sentence_are_treated_alike(quiet: None) -> None:
    """Whatever is heard of one, the other has the same there: band and level."""
    first, second = tone(300), tone(440)
    both = augment(first + second, KEY, 18_000) - augment(first, KEY, 18_000)
    torch.testing.assert_close(both, augment(second, KEY, 18_000))


def test_level_stays_within_its_bounds_and_uses_them(quiet: None) -> None:
    gains = [level_db(augment(tone(), (0, 0, i, 0), 18_000)) - level_db(tone()) for i in range(100)]
    assert -6.01 < min(gains) < -5
    assert 5 < max(gains) < 6.01


def test_noise_lies_as_far_below_the_speech_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "GAIN_DB", 0.0)
    monkeypatch.setattr(direct, "NOISE_DB", (-40.0, -40.0))
    added = augment(tone(), KEY, 18_000) - tone()
    assert level_db(added) - level_db(tone()) == pytest.approx(-40, abs=0.2)


def test_band_ends_where_it_should() -> None:
    for share, lost_db in ((0.02, 0), (0.5, 0), (0.55, 6), (0.6, 100)):
        wave = tone(share * SAMPLE_RATE / 2)
        lost = level_db(wave) - level_db(band_limited(wave, 7 / 12))
        assert min(lost, 100) == pytest.approx(lost_db, abs=1), share


def test_gradient_agrees_with_finite_differences(quiet: None) -> None:
    judge = augmented_judge(power)
    x = torch.randn(2, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    keys, samples = [KEY, (5, 6, 7, 0)], torch.tensor([40, 30])
    assert torch.autograd.gradcheck(lambda w: judge(w, samples, keys), x.requires_grad_())
