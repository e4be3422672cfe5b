"""WaveGrad 2 has the published size, and padding, batching and chunking leave it alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from dlpo.config.models import BASE, LARGE, MINI, WaveGrad2Config
from dlpo.errors import ConfigError
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.model.wavegrad2 import BidirectionalLSTM, WaveGrad2
from dlpo.model.wavegrad_decoder import (
    downsample,
    interpolate_by_convolution,
    level_encoding,
    modulate,
    upsample,
)
from tests.toys import BASE as TINY_BASE

PUBLISHED_SYMBOLS = 151  # of the reproduction; ours are fewer, so the embedding is smaller
TINY_LARGE = dataclasses.replace(TINY_BASE, model="large", blocks_per_scale=2)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture
def model() -> WaveGrad2:
    torch.manual_seed(3)
    return WaveGrad2(TINY_BASE).eval()


@pytest.mark.parametrize(("config", "decoder_millions"), [(BASE, 16.95), (LARGE, 28.66)])
def test_parameters_match_the_publication(config: WaveGrad2Config, decoder_millions: float) -> None:
    with torch.device("meta"):
        model = WaveGrad2(config)
    missing = (PUBLISHED_SYMBOLS - config.symbols) * config.encoder_channels
    assert count(model.encoder) + missing == pytest.approx(5.59e6, rel=0.01)
    assert count(model.duration_predictor) == pytest.approx(10.77e6, rel=0.01)
    assert count(model.range_predictor) == pytest.approx(10.77e6, rel=0.01)
    assert count(model.decoder) == pytest.approx(decoder_millions * 1e6, rel=0.01)
    total = 5.59e6 + 2 * 10.77e6 + decoder_millions * 1e6
    assert count(model) + missing == pytest.approx(total, rel=0.01)


def test_mini_is_base_in_a_quarter_of_the_decoders_widths() -> None:
    for field in ("conditioning_channels", "up_channels", "waveform_channels", "down_channels"):
        ours, theirs = np.array(getattr(MINI, field)), np.array(getattr(BASE, field))
        assert (4 * ours == theirs).all()
    for field in ("up_factors", "up_dilations", "down_dilations", "encoder_layers"):
        assert getattr(MINI, field) == getattr(BASE, field)
    assert count(WaveGrad2(MINI)) == 1_836_201


def test_lstm_equals_the_packed_bidirectional_one() -> None:
    torch.manual_seed(0)
    ours = BidirectionalLSTM(5, 3, layers=1)
    theirs = nn.LSTM(5, 3, batch_first=True, bidirectional=True)
    for name, value in ours.forwards[0].named_parameters():
        getattr(theirs, name).data.copy_(value)
    for name, value in ours.backwards[0].named_parameters():
        getattr(theirs, f"{name}_reverse").data.copy_(value)
    x, lengths = torch.randn(2, 6, 5), torch.tensor([6, 4])
    mask = torch.arange(6) < lengths[:, None]
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
    expected, _ = nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    torch.testing.assert_close(ours(x, mask)[mask], expected[mask])


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
def test_resampling_is_linear_interpolation(factor: int) -> None:
    x = torch.randn(2, 3, 30, generator=torch.Generator().manual_seed(1))
    both = [(upsample, 30 * factor), (downsample, 30 // factor)]
    if factor > 1:
        both.append((interpolate_by_convolution, 30 * factor))  # what is exported
    for ours, length in both:
        expected = nn.functional.interpolate(x, size=length, mode="linear", align_corners=False)
        torch.testing.assert_close(ours(x, factor), expected, atol=1e-5, rtol=1e-5)


def test_modulation_is_a_scale_a_shift_and_a_leaky_relu() -> None:
    x, scale, shift = torch.randn(3, 2, 4, 7, generator=torch.Generator().manual_seed(0)).numpy()
    expected = scale * x + shift
    expected = np.where(expected < 0, 0.2 * expected, expected)
    made = modulate(*map(torch.from_numpy, (x, scale, shift)))
    np.testing.assert_allclose(made.numpy(), expected, atol=1e-6)


@torch.no_grad()
def test_padding_changes_nothing(model: WaveGrad2) -> None:
    phonemes = torch.tensor([[1, 5, 9, 2, 7, 3], [1, 20, 30, 4, 0, 0]])
    mask = phonemes > 0
    both, alone = model.encode(phonemes, mask), model.encode(phonemes[1:, :4], mask[1:, :4])
    for padded, expected in zip(both, alone, strict=True):
        torch.testing.assert_close(padded[1:, ..., :4], expected)


@pytest.mark.parametrize("config", [TINY_BASE, TINY_LARGE])
@torch.no_grad()
def test_denoiser_is_deterministic_and_independent_of_the_batch(config: WaveGrad2Config) -> None:
    torch.manual_seed(4)
    model = WaveGrad2(config).eval()
    noisy, conditioning = torch.randn(2, 1200), torch.randn(2, 20, 4)
    level = torch.tensor([0.2, 0.9])
    source = torch.zeros_like(noisy)
    both = model.denoise(noisy, level, conditioning, source)
    assert both.shape == (2, 1200)
    torch.testing.assert_close(both, model.denoise(noisy, level, conditioning, source))
    alone = model.denoise(noisy[1:], level[1:], conditioning[1:], source[1:])
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=1e-4)


def test_every_parameter_learns(model: WaveGrad2) -> None:
    model.train()
    phonemes = torch.tensor([[1, 5, 9, 2]])
    mask = torch.ones(1, 4, dtype=torch.bool)
    hidden = model.hidden(phonemes, mask)
    durations = model.predict_durations(hidden, mask)
    true = torch.tensor([[1.0, 2.0, 0.0, 1.0]])
    ranges = model.predict_ranges(hidden, true, mask)
    conditioning, _ = model.frames(hidden, true, ranges, frame_positions(4), torch.zeros(1))
    noisy = torch.randn(1, 1200)
    eps = model.denoise(noisy, torch.tensor([0.5]), conditioning, noisy)
    (eps.abs().mean() + durations.square().mean()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("level", [0.08, 0.5, 0.995])
def test_scaled_decoder_writes_what_the_waveform_leaves_open(level: float) -> None:
    """Beside a least-squares estimate of the noise from 1,000,000 samples."""
    torch.manual_seed(3)
    model = WaveGrad2(dataclasses.replace(TINY_BASE, data_std=0.2)).eval()
    rng = np.random.default_rng(0)
    clean, noise = 0.2 * rng.standard_normal(1_000_000), rng.standard_normal(1_000_000)
    noisy = level * clean + np.sqrt(1 - level**2) * noise
    slope = (noisy @ noise) / (noisy @ noisy)
    given = torch.randn(1, 600), torch.tensor([level]), torch.randn(1, 20, 2), torch.zeros(1, 600)

    with torch.no_grad():
        left = model.decoder(given[0] / np.hypot((1 - level**2) ** 0.5, 0.2 * level), *given[1:3])
        eps = model.denoise(*given)

    untold = (noise - slope * noisy).std()
    assert model.untold(given[1]).item() == pytest.approx(untold, rel=0.01)
    torch.testing.assert_close(eps, slope * given[0] + untold * left, atol=0.02, rtol=0.02)


def test_hop_length_of_another_rate_is_refused() -> None:
    with pytest.raises(ConfigError, match="up_factors multiply to 600"):
        WaveGrad2(dataclasses.replace(TINY_BASE, up_factors=(5, 5, 3, 2, 4)))


@pytest.mark.parametrize("level", [0.3, 0.9999995])
def test_level_encoding_is_exact_up_to_angles_of_5000(level: float) -> None:
    encoded = level_encoding(torch.tensor([level]), 128)
    rates = 10 ** (-4 * np.arange(64) / 64)
    angles = 5000 * np.float64(np.float32(level)) * rates
    assert encoded.dtype == torch.float32
    expected = np.concatenate([np.sin(angles), np.cos(angles)])
    np.testing.assert_allclose(encoded[0].numpy(), expected, atol=1e-6)
