"""Augmented clips: changed a little, equally for the seeds of a sentence, with a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from dlpo.errors import ConfigError
from dlpo.rl.direct import Augmentation, AugmentedJudge, band_limited
from dlpo.rl.rollout import Key

RATE = 24_000  # Hz
KEY = (1, 2, 3, 0)
NOTHING = Augmentation(gain_db=0.0, noise_db=None, lowest_rate_hz=RATE)


def tone(hertz: float = 300.0, samples: int = RATE) -> Tensor:
    return 0.2 * torch.sin(2 * torch.pi * hertz * torch.arange(samples).double() / RATE)


def level_db(waveform: Tensor) -> float:
    return float(10 * waveform.double().square().mean().log10())


def power(waveforms: Tensor, samples: Tensor, keys: Sequence[Key]) -> Tensor:
    """A judge that likes it loud."""
    return waveforms.square().sum(1) / samples


def applied(waveform: Tensor, key: Key = KEY, **changes: Any) -> Tensor:
    """With nothing changed but what `changes` say."""
    return replace(NOTHING, **changes).apply(waveform, key, RATE)


def test_the_judge_hears_each_clip_changed_at_its_own_length() -> None:
    heard: list[tuple[Tensor, Tensor]] = []

    def listens(waveforms: Tensor, samples: Tensor, keys: Sequence[Key]) -> Tensor:
        heard.append((waveforms, samples))
        return power(waveforms, samples, keys)

    other = (1, 2, 4, 0)
    augmentation = Augmentation(shortest=0.5)
    judge = AugmentedJudge(listens, augmentation, RATE)
    clips = torch.stack([tone(), torch.cat([tone(200, 9_000), torch.zeros(RATE - 9_000)])])
    judge(clips, torch.tensor([RATE, 9_000]), [KEY, other])
    waveforms, samples = heard[0]
    for row, length, clip, key in zip(
        waveforms, samples.tolist(), (clips[0], clips[1, :9_000]), (KEY, other), strict=True
    ):
        torch.testing.assert_close(row[:length], augmentation.apply(clip, key, RATE))
        assert not row[length:].any()
    assert not torch.equal(waveforms[0][:9_000], augmentation.apply(tone(), other, RATE)[:9_000])


def test_seeds_of_a_sentence_are_treated_alike() -> None:
    """Whatever is heard of one, the other has the same there: band, level, place, and noise."""
    some = Augmentation(shortest=0.5)
    first, second = tone(300), tone(440)
    both = some.apply(first + second, KEY, RATE) - some.apply(first, KEY, RATE)
    quiet = replace(some, noise_db=None).apply(second, KEY, RATE)
    # The noise follows the level of each clip, which 300 Hz and both tones have within 3 dB.
    assert level_db(both - quiet) < level_db(quiet) - 40


def test_level_stays_within_its_bounds_and_uses_them() -> None:
    gains = [
        level_db(applied(tone(), (0, 0, i, 0), gain_db=6.0)) - level_db(tone()) for i in range(100)
    ]
    assert -6.01 < min(gains) < -5
    assert 5 < max(gains) < 6.01


def test_noise_lies_as_far_below_the_speech_as_asked() -> None:
    added = applied(tone(), noise_db=(-40.0, -40.0)) - tone()
    assert level_db(added) - level_db(tone()) == pytest.approx(-40, abs=0.2)


def test_band_ends_where_it_should() -> None:
    for hertz, lost_db in ((300, 0), (6_200, 0), (6_650, 6), (7_100, 100)):
        lost = level_db(tone(hertz)) - level_db(band_limited(tone(hertz), 14 / 24))
        assert min(lost, 100) == pytest.approx(lost_db, abs=0.1), hertz


def test_a_window_is_a_part_of_the_clip_and_lies_anywhere() -> None:
    clip = torch.arange(1, RATE + 1).double()
    firsts, lengths = [], []
    for i in range(50):
        heard = applied(clip, (0, 0, i, 0), shortest=0.5)
        inner = heard[300:-300]
        assert torch.equal(inner.diff(), torch.ones(len(inner) - 1).double())
        firsts.append(float(inner[0]) - 301)
        lengths.append(len(heard))
    assert RATE / 2 <= min(lengths) < 0.6 * RATE
    assert 0.9 * RATE < max(lengths) <= RATE
    assert min(firsts) < 0.05 * RATE
    assert max(firsts) > 0.3 * RATE


def test_gradient_agrees_with_finite_differences() -> None:
    some = Augmentation(noise_db=None, lowest_rate_hz=14_000, shortest=0.5)
    judge = AugmentedJudge(power, some, RATE)
    x = torch.randn(2, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    keys, samples = [KEY, (5, 6, 7, 0)], torch.tensor([40, 30])
    assert torch.autograd.gradcheck(lambda w: judge(w, samples, keys), x.requires_grad_())


@pytest.mark.parametrize(
    "values",
    [
        {"gain_db": -1.0}, {"gain_db": 90.0}, {"noise_db": (-30.0, -40.0)},
        {"noise_db": (-30.0, 3.0)}, {"lowest_rate_hz": 100}, {"shortest": 0.0}, {"shortest": 1.1},
        {"shortest": float("nan")},
    ],
)  # fmt: skip
def test_an_augmentation_out_of_range_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"Augmentation.{next(iter(values))}"):
        Augmentation(**values)
