"""The discrete Fourier transform of real frames: torch's own, and as matrix products in graphs.

ONNX has no fast transform of 600 samples. Two stages of 24 and 25 points, with an eighth of the
products of a single matrix, take no longer in float32 than that matrix in 8 bits. With N = P Q,
n = Q a + b and k = c + P d,

    X[c + P d] = sum_b W_Q^(b d) W_N^(b c) sum_a W_P^(a c) x[Q a + b],   W_M = exp(-2 pi i / M),

and for real x the columns c = 0 .. P / 2 suffice. Spectra keep that order, (c, d) row by row:
(P / 2 + 1) Q places, in which each frequency occurs once, at k or as the conjugate at N - k, except
those of c = 0 and P / 2, which occur as both. Nothing needs reordering in either direction.

Reference: Cooley and Tukey, An Algorithm for the Machine Calculation of Complex Fourier Series,
1965.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Complex = NDArray[np.complex128]
Spectrum = tuple[Tensor, Tensor]
"""real and imaginary parts, (..., places) each"""


class RealDft(nn.Module):
    """Forward and inverse transform of frames of an even number of samples.

    Args:
        size: N, samples of a frame.

    Raises:
        ValueError: N is odd.
    """

    twiddle: Tensor
    first: Tensor
    second: Tensor
    last: Tensor
    second_inverse: Tensor
    weight: Tensor
    frequency: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        if size % 2:
            raise ValueError(f"frames of {size} samples; expected an even number")
        self.size = size
        p = min((p for p in range(2, size + 1, 2) if size % p == 0), key=lambda p: p + size // p)
        q = size // p
        self.p = p
        self.q = q
        self.columns = p // 2 + 1
        self.places = self.columns * q
        a = np.arange(p)
        b = np.arange(q)
        c = np.arange(self.columns)
        d = np.arange(q)
        first, second = _roots(p, np.outer(c, a)), _roots(q, np.outer(b, d))
        twiddle = _roots(size, np.outer(c, b))
        self._constant("first", np.concatenate([first.real, first.imag]))  # (2 (P/2 + 1), P)
        self._constant("twiddle", np.stack([twiddle.real, twiddle.imag]))  # (2, P/2 + 1, Q)
        self._constant("second", _as_real(second))  # (2 Q, 2 Q)
        self._constant("second_inverse", _as_real(second.conj().T))  # (2 Q, 2 Q)
        weight = np.full(self.columns, 2 / size)
        weight[[0, -1]] = 1 / size  # these columns have no mirror image
        self._constant("weight", weight.repeat(q))  # (places,)
        last = first.conj().T * weight
        self._constant("last", np.concatenate([last.real, -last.imag], axis=1))  # (P, 2 (P/2 + 1))
        k = (c[:, None] + p * d).ravel()
        self._constant("frequency", k)  # (places,), from 0 to N - 1

    def _constant(self, name: str, values: NDArray[np.generic]) -> None:
        dtype = torch.int64 if values.dtype.kind == "i" else torch.float32
        self.register_buffer(name, torch.from_numpy(values).to(dtype), persistent=False)

    def forward(self, frames: Tensor) -> Spectrum:
        """(..., N) -> their spectra."""
        if torch.compiler.is_exporting():
            return self.products(frames)
        spectra = torch.fft.fft(frames).index_select(-1, self.frequency)
        return spectra.real, spectra.imag

    def products(self, frames: Tensor) -> Spectrum:
        """`forward` without torch's transform."""
        columns = self.first @ frames.view(*frames.shape[:-1], self.p, self.q)
        real, imaginary = columns.chunk(2, dim=-2)  # (..., P/2 + 1, Q) each
        cosine, sine = self.twiddle
        turned = torch.cat(
            [real * cosine - imaginary * sine, imaginary * cosine + real * sine], dim=-1
        )
        real, imaginary = (turned @ self.second).chunk(2, dim=-1)
        return real.flatten(-2), imaginary.flatten(-2)

    def inverse(self, spectrum: Spectrum) -> Tensor:
        """Spectra -> (..., N), the real part of the inverse transform."""
        if torch.compiler.is_exporting():
            return self.inverse_products(spectrum)
        once = torch.complex(*spectrum) * self.weight
        full = once.new_zeros(*once.shape[:-1], self.size).index_copy(-1, self.frequency, once)
        frames: Tensor = torch.fft.ifft(full).real * self.size
        return frames

    def inverse_products(self, spectrum: Spectrum) -> Tensor:
        """`inverse` without torch's transform."""
        columns = [part.view(*part.shape[:-1], self.columns, self.q) for part in spectrum]
        real, imaginary = (torch.cat(columns, dim=-1) @ self.second_inverse).chunk(2, dim=-1)
        cosine, sine = self.twiddle  # its conjugate undoes the rotation
        turned = torch.cat(
            [real * cosine + imaginary * sine, imaginary * cosine - real * sine], dim=-2
        )
        return (self.last @ turned).flatten(-2)


def _roots(order: int, exponents: NDArray[np.int64]) -> Complex:
    """W_order to the powers of `exponents`."""
    roots: Complex = np.exp(-2j * np.pi * exponents / order)
    return roots


def _as_real(matrix: Complex) -> NDArray[np.float64]:
    """(I, O) complex -> (2 I, 2 O): the same product on stacked real and imaginary parts."""
    return np.block([[matrix.real, matrix.imag], [-matrix.imag, matrix.real]])
