"""Loss terms against independent computations."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dlpo.data.dataset import Corpora
from dlpo.model.acoustics import Timing
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.adversary import (
    DECEPTION_SHARE,
    DiscriminatorOutput,
    adversary_loss,
    balanced_weight,
    deception_loss,
    feature_loss,
)
from dlpo.training.batches import CONTEXT, Batches, Sentences
from dlpo.training.losses import (
    denoise_rows,
    denoiser_losses,
    multi_resolution_stft,
    retimed_losses,
    spread_levels,
    timing_losses,
)
from tests.toys import SPECTRAL

SENTENCES = Sentences(
    torch.tensor([[1, 12, 30, 4, 0], [1, 15, 9, 0, 0]]),
    torch.tensor([[True] * 4 + [False], [True] * 3 + [False] * 2]),
    torch.tensor([[0.0, 4.0, 8.0, 10.0, 0.0], [3.0, 2.0, 0.0, 0.0, 0.0]]),
    torch.tensor([[0, -1], [0, -1]]),
)


@pytest.fixture
def batches(tiny_dataset: Path) -> Batches:
    return Batches(Corpora([tiny_dataset]), "train", 0, 0, SPECTRAL)


def test_perfect_timing_loses_nothing() -> None:
    durations = SENTENCES.durations.clamp(min=1).log()
    certain = torch.where(SENTENCES.durations > 0, 50.0, -50.0)
    losses = timing_losses(Timing(durations, certain, certain), SENTENCES)
    assert losses["duration"] == losses["pace"] == 0
    assert losses["pause"] < 1e-6


def test_moved_ranges_are_a_loss() -> None:
    torch.manual_seed(0)
    before = SpectralWaveGrad2(SPECTRAL).eval()
    model = copy.deepcopy(before)
    assert retimed_losses(model, before, SENTENCES)["ranges"] == 0
    with torch.no_grad():
        model.timing_out.bias[2] += 1.0
    losses = retimed_losses(model, before, SENTENCES)
    voice = before.voice(SENTENCES.voices)
    _, old = before.encode_symbols(SENTENCES.phonemes, SENTENCES.mask, voice)
    _, new = model.encode_symbols(SENTENCES.phonemes, SENTENCES.mask, voice)
    moved = (new.ranges.log() - old.ranges.log())[SENTENCES.mask]
    torch.testing.assert_close(losses["ranges"], moved.mean())
    assert losses["duration"] == timing_losses(old, SENTENCES)["duration"]


def test_timing_counts_what_sounds_and_marks_only() -> None:
    log_duration = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    logit = torch.randn(2, 5, generator=torch.Generator().manual_seed(1))
    losses = timing_losses(Timing(log_duration, logit, logit), SENTENCES)
    sounding = [(0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]
    expected = np.mean(
        [abs(float(log_duration[p]) - np.log(float(SENTENCES.durations[p]))) for p in sounding]
    )
    assert float(losses["duration"]) == pytest.approx(expected, rel=1e-5)
    lengths = [log_duration[0, 1:4].exp().sum() / 22, log_duration[1, :2].exp().sum() / 5]
    assert float(losses["pace"]) == pytest.approx(
        np.mean(np.abs(np.log([float(x) for x in lengths]))), rel=1e-5
    )
    marks = {(0, 0): 0, (0, 3): 1, (1, 0): 1, (1, 2): 0}
    chances = {p: 1 / (1 + np.exp(-float(logit[p]))) for p in marks}
    expected = -np.mean([np.log(chances[p] if s else 1 - chances[p]) for p, s in marks.items()])
    assert float(losses["pause"]) == pytest.approx(expected, rel=1e-5)


def test_spectral_distance_is_zero_only_for_equal_sounds() -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, 6000, generator=random)
    assert multi_resolution_stft(x, x) == 0
    assert multi_resolution_stft(-x, x) < 1e-5  # it is deaf to phase


def test_spectral_distance_of_a_gain_is_known() -> None:
    x = torch.randn(1, 20_000, generator=torch.Generator().manual_seed(1)) * 100
    # Log-magnitude and half the log energy differ by ln 2 everywhere; |a - b| is half of b.
    assert float(multi_resolution_stft(x / 2, x)) == pytest.approx(2 * np.log(2) + 0.5, abs=1e-3)


def test_levels_are_spread_over_the_whole_range() -> None:
    levels = spread_levels(64, torch.Generator().manual_seed(0))
    angles = (torch.arccos(levels) - 0.01) / (0.98 * np.pi / 2)
    counts, _ = np.histogram(angles.numpy(), bins=16, range=(0, 1))
    assert np.all(counts == 4)


def test_remembered_acoustics_are_those_of_the_window(
    spectral: SpectralWaveGrad2, batches: Batches
) -> None:
    acoustics = FrozenAcoustics(spectral, batches)
    whole, piece = batches.whole(1), batches.collate([(1, 30)], 24)
    everything = acoustics.of(whole)
    span = slice(30, 30 + 24 + 2 * CONTEXT)
    assert torch.equal(acoustics.of(piece).mel[0], everything.mel[0, :, span])
    mixed = acoustics.of(batches.collate([(1, 30), (0, 2)], 24))
    assert torch.equal(mixed.upsampled[0], everything.upsampled[0, :, span])


def test_some_rows_start_a_chain_others_noise_predictions(
    spectral: SpectralWaveGrad2, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def spy(
        noisy: torch.Tensor, level: torch.Tensor, conditioning: torch.Tensor, source: torch.Tensor
    ) -> torch.Tensor:
        inputs.append((noisy, level))
        return torch.full_like(noisy, 7.0)

    windows = batches.windows(0, 8, 24)
    conditioning = torch.zeros(8, 16, 24 + 2 * CONTEXT)
    monkeypatch.setattr(spectral, "denoise", spy)
    generator = torch.Generator().manual_seed(0)
    denoised = denoise_rows(spectral, windows, conditioning, generator, first_share=0.5)
    assert torch.equal(denoised.clean, windows.waveform * spectral.config.scale)
    perfect = denoiser_losses(replace(denoised, x0=denoised.clean))
    assert all(float(value) == 0 for value in perfect.values())
    (noise, start), (noisy, level) = inputs
    assert (start < 0.03).all()  # a chain's first level: hardly any signal
    assert (level[:4] < 0.03).all()
    assert (level[4:] > 0.03).all()
    alpha, sigma = level[:, None], (1 - level[:, None] ** 2).sqrt()
    seen = (noisy[4::2] - sigma[4::2] * noise) / alpha[4::2]
    assert torch.allclose(seen, torch.full_like(seen, 7.0), atol=1e-2)
    residue = (noisy[5::2] - alpha[5::2] * denoised.clean[5::2]) / sigma[5::2]
    assert float(residue.std()) == pytest.approx(1.0, abs=0.05)


def test_two_windows_that_start_a_chain_are_denoised(
    spectral: SpectralWaveGrad2, batches: Batches
) -> None:
    windows = batches.windows(0, 2, 24)
    conditioning = torch.zeros(2, spectral.config.conditioning_channels, 24 + 2 * CONTEXT)
    generator = torch.Generator().manual_seed(0)
    denoised = denoise_rows(spectral, windows, conditioning, generator, first_share=0.75)
    assert denoised.started == 1
    assert bool(torch.isfinite(denoised.x0).all())


def test_adversary_losses_are_least_where_each_side_wants_them() -> None:
    ones, zeros = (
        DiscriminatorOutput(torch.full((2, 1, 5), v), [torch.full((2, 3, 5), v)])
        for v in (1.0, 0.0)
    )
    assert adversary_loss([ones], [zeros]) == 0
    assert adversary_loss([zeros], [ones]) == 2
    assert deception_loss([ones]) == 0
    assert deception_loss([zeros]) == 1
    assert feature_loss([ones], [zeros]) == 1
    assert feature_loss([ones], [ones]) == 0


def test_deception_is_weighed_by_its_pull_on_the_last_layer() -> None:
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    others, deception = 2 * weight.sum(), 50 * weight.sum()
    balanced = balanced_weight(deception, others, weight)
    assert float(balanced) == pytest.approx(DECEPTION_SHARE * 2 / 50)
    assert not balanced.requires_grad
