"""Layers of the batched teacher: each sentence of a padded batch comes out as it would alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from recipe.speech import kokoro_torch
from recipe.speech.kokoro import InBatches, Spoken
from recipe.speech.kokoro_torch import (
    _Conv,
    _dft,
    _instance_norm,
    _Lstm,
    _quantized,
    _Span,
    _Weights,
)

CPU = torch.device("cpu")
LENGTHS = (3, 9, 6)
RANDOM = np.random.default_rng(0)


def span(lengths: tuple[int, ...] = LENGTHS) -> _Span:
    return _Span.of(torch.tensor(lengths), CPU)


def padded(channels: int) -> Tensor:
    """(3, channels, 9), with noise where there is no sentence."""
    return torch.from_numpy(RANDOM.standard_normal((3, channels, max(LENGTHS)), np.float32))


def weights(**arrays: NDArray[np.generic]) -> _Weights:
    return _Weights({f"x.{name}": value for name, value in arrays.items()}, CPU)


def integers(*shape: int) -> NDArray[np.uint8]:
    return RANDOM.integers(0, 256, shape).astype(np.uint8)


def test_values_are_rounded_as_onnx_does() -> None:
    values = torch.tensor([[-1.0, 0.0, 0.5, 3.0], [0.0, 0.0, 2.0, 1.0]])
    found, scale = _quantized(values)
    for row, one, of_row in zip(values.numpy(), found.numpy(), scale.ravel().numpy(), strict=True):
        low, high = min(row.min(), 0), max(row.max(), 0)
        step = np.float32((high - low) / 255)
        zero = np.round(-low / step)
        assert of_row == pytest.approx(step)
        np.testing.assert_array_equal(one, np.clip(np.round(row / step) + zero, 0, 255) - zero)


def test_a_convolution_sees_no_padding() -> None:
    net = weights(
        weight=integers(4, 5, 3), zero=np.uint8(128), scale=np.float32(0.01),
        bias=RANDOM.standard_normal(4).astype(np.float32),
    )  # fmt: skip
    values = padded(5)
    together = _Conv(net, "x", dilation=2)(values * span().mask)
    for row, length in enumerate(LENGTHS):
        alone = _Conv(net, "x", dilation=2)(values[row : row + 1, :, :length])
        torch.testing.assert_close(together[row : row + 1, :, :length], alone)


def test_a_convolution_is_torch_s_but_for_8_bits() -> None:
    weight = integers(4, 5, 3)
    net = weights(weight=weight, zero=np.uint8(120), scale=np.float32(0.01))
    values = padded(5)
    expected = functional.conv1d(values, (torch.from_numpy(weight).float() - 120) * 0.01, padding=1)
    error = _Conv(net, "x")(values) - expected
    assert error.square().mean() < 1e-4 * expected.square().mean()


def test_each_sentence_has_its_own_mean_and_spread() -> None:
    values = padded(4)
    given = torch.rand(3, 4, 1), torch.rand(3, 4, 1)
    found = _instance_norm(values, given, span())
    for row, length in enumerate(LENGTHS):
        alone = functional.instance_norm(values[row : row + 1, :, :length])
        expected = alone * given[0][row] + given[1][row]
        torch.testing.assert_close(found[row : row + 1, :, :length], expected)


def test_a_recurrent_layer_stops_at_each_end() -> None:
    net = weights(
        input=RANDOM.integers(-9, 9, (2, 5, 12)).astype(np.int8),
        hidden=RANDOM.integers(-9, 9, (2, 3, 12)).astype(np.int8),
        bias=RANDOM.standard_normal((2, 24)).astype(np.float32),
        input_scale=np.full((2, 1), 0.05, np.float32),
        hidden_scale=np.full((2, 1), 0.05, np.float32),
    )
    layer, values = _Lstm(net, "x"), padded(5)
    together = layer(values, span())
    for row, length in enumerate(LENGTHS):
        alone = layer(values[row : row + 1, :, :length], span((length,)))
        torch.testing.assert_close(together[row : row + 1, :, :length], alone)
        assert not together[row, :, length:].any()


def test_its_transform_is_fourier_s_but_for_rounding() -> None:
    window = np.hanning(21)[:20].astype(np.float32)
    frame = RANDOM.standard_normal(20)
    real, imaginary = np.split(frame @ _dft(window), 2)
    np.testing.assert_allclose(real + 1j * imaginary, np.fft.rfft(frame * window), atol=1e-5)


def test_sentences_come_back_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting:
        """Says how many tokens a sentence has, and remembers what it got at once."""

        engine = "test"
        sizes: list[list[int]] = []  # noqa: RUF012

        def speak(
            self, tokens: list[NDArray[np.int64]], styles: NDArray[np.float32]
        ) -> list[Spoken]:
            self.sizes.append([len(ids) for ids in tokens])
            rows = zip(tokens, styles, strict=True)
            return [Spoken(np.float32([len(ids), *style]), ids, style) for ids, style in rows]

    monkeypatch.setattr("recipe.speech.kokoro.TOKENS_AT_ONCE", 20)
    counts = [4, 19, 7, 8, 30]
    tokens = [np.zeros(count, np.int64) for count in counts]
    styles = np.arange(5, dtype=np.float32)[:, None]
    spoken = InBatches(Counting()).speak(tokens, styles)
    assert [one.waveform.tolist() for one in spoken] == [[c, n] for n, c in enumerate(counts)]
    assert Counting.sizes == [[30], [19], [7, 8], [4]]


def test_harmonics_are_those_of_a_steady_pitch() -> None:
    """200 Hz for a second has a line at each multiple of it up to the ninth, and no other."""
    net = kokoro_torch._Generator.__new__(kokoro_torch._Generator)
    net._harmonics = torch.arange(1, 10, dtype=torch.float32)[:, None]
    net._mix, net._offset = torch.full((9, 1), 0.1), torch.zeros(1)
    source = net._source(torch.full((1, 1, 80), 200.0), span((80,)))[0]
    power = np.abs(np.fft.rfft(source.numpy() * np.hanning(len(source)))) ** 2
    lines = np.concatenate([power[200 * n - 2 : 200 * n + 3] for n in range(1, 10)])
    assert lines.sum() > 0.99 * power.sum()
