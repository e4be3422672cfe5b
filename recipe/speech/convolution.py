"""Convolution along time with far fewer multiplications, exact to float32's rounding.

A kernel of 7 or 11 taps costs as many products a sample, channel by channel. In a block of N
samples a real Fourier transform (overlap-save) needs some 60 / (N - taps + 1), and for 3 taps the
polynomials of Winograd's F(4, 3) need 6 / 4.

Reference: Lavin and Gray, Fast algorithms for convolutional neural networks, 2016 (F(4, 3));
Oppenheim and Schafer, Discrete-time signal processing, 8.7.3 (overlap-save).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]
BLOCK = 32  # samples of a Fourier block; 16, 24 and 32 were timed
DIRECT_BELOW = 256  # channels from which F(4, 3) beats the direct product


@dataclass(frozen=True, slots=True)
class Bilinear:
    """Outputs (M, n) applied to products of inputs (n, N) x and of transformed taps.

    The first `real` of the n products are of numbers, the rest of complex numbers: a real part,
    then an imaginary part.
    """

    inputs: Array
    outputs: Array
    real: int


def fourier(size: int, taps: int) -> Bilinear:
    """The valid correlation of `size` samples with `taps` by the discrete Fourier transform."""
    angle = 2 * np.pi * np.outer(np.arange(size // 2 + 1), np.arange(size)) / size
    cosine, sine = np.cos(angle), np.sin(angle)
    between = range(1, size // 2)
    pairs = [row for f in between for row in (cosine[f], -sine[f])]
    inputs = np.array([cosine[0], cosine[-1], *pairs])
    twice = np.where(np.arange(size) < 2, 1.0, 2.0)
    return Bilinear(inputs, (inputs.T * twice / size)[: size - taps + 1], real=2)


WINOGRAD = Bilinear(
    inputs=np.array([
        [4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1],
    ], dtype=np.float64),
    outputs=np.array([
        [1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1],
    ], dtype=np.float64),
    real=6,
)  # fmt: skip
WINOGRAD_TAPS = np.array(
    [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=np.float64
) / 24  # fmt: skip


class Convolution:
    """A convolution that keeps the length; odd taps, zeros around the ends."""

    def __init__(self, weight: Array, bias: Array, dilation: int) -> None:
        """Transform the taps.

        Args:
            weight: (out, in, taps).
            bias: (out,).
            dilation: samples from one tap to the next.
        """
        self._channels, _, self._taps = weight.shape
        self._dilation = dilation
        self.margin = (self._taps - 1) // 2 * dilation  # samples of zeros at either end
        self._direct = self._taps == 3 and weight.shape[1] < DIRECT_BELOW
        self._weight, self._bias = _tensor(weight), _tensor(bias)
        form = WINOGRAD if self._taps == 3 else fourier(BLOCK, self._taps)
        self._real = form.real
        self._inputs, self._outputs = _tensor(form.inputs), _tensor(form.outputs)
        self._real_taps, self._complex_taps = (
            _winograd_taps(weight) if self._taps == 3 else _fourier_taps(weight)
        )

    def __call__(self, padded: torch.Tensor) -> torch.Tensor:
        """(margin + T + margin, in) -> (T, out)."""
        length = len(padded) - 2 * self.margin
        if self._direct:
            out = torch.nn.functional.conv1d(
                padded.T[None], self._weight, self._bias, dilation=self._dilation
            )
            return out[0].T.contiguous()
        blocks, tiles = self._blocks(padded, length)
        spectra = torch.matmul(self._inputs, blocks)  # (tiles * dilation, n, in)
        products = spectra.new_empty(len(spectra), spectra.shape[1], self._channels)
        _multiply(spectra, products, slice(self._real), self._real_taps)
        if self._complex_taps is not None:
            _multiply(spectra, products, slice(self._real, None), self._complex_taps)
        out = torch.matmul(self._outputs, products)  # (tiles * dilation, M, out)
        step = out.shape[1]
        if self._dilation > 1:
            out = out.view(tiles, self._dilation, step, -1).transpose(1, 2)
        return out.reshape(-1, self._channels)[:length] + self._bias

    def _blocks(self, padded: torch.Tensor, length: int) -> tuple[torch.Tensor, int]:
        """(tiles * dilation, N, in): every dilation-th sample from each of its phases."""
        step, size = self._outputs.shape[0], self._inputs.shape[1]
        d, channels = self._dilation, padded.shape[1]
        tiles = -(-length // (step * d))
        missing = ((tiles - 1) * step + size) * d - len(padded)
        if missing > 0:
            padded = torch.nn.functional.pad(padded, (0, 0, 0, missing))
        shape, strides = (tiles, d, size, channels), (step * d * channels, channels, d * channels, 1)
        blocks = padded.as_strided(shape, strides)
        return (blocks.squeeze(1) if d == 1 else blocks.reshape(-1, size, channels)), tiles


def _multiply(
    spectra: torch.Tensor, products: torch.Tensor, which: slice, taps: torch.Tensor
) -> None:
    """Products of some of the n, by all channels: (tiles, n, in) x (groups, in, out)."""
    tiles, groups = len(spectra), len(taps)
    left = spectra[:, which].view(tiles, groups, -1).transpose(0, 1)
    out = products[:, which].view(tiles, groups, -1).transpose(0, 1)
    torch.bmm(left, taps, out=out)


def _winograd_taps(weight: Array) -> tuple[torch.Tensor, None]:
    return _tensor(np.einsum("nk,oik->nio", WINOGRAD_TAPS, weight)), None


def _fourier_taps(weight: Array) -> tuple[torch.Tensor, torch.Tensor]:
    """(2, in, out) of the lowest and highest bin, (bins, 2 in, 2 out) of those between."""
    bins = np.fft.rfft(weight, BLOCK, axis=2).conj().transpose(2, 1, 0)
    real, imaginary = bins[1:-1].real, bins[1:-1].imag
    whole = np.block([[real, imaginary], [-imaginary, real]])
    return _tensor(bins[[0, -1]].real), _tensor(whole)


def _tensor(value: Array) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float32)
