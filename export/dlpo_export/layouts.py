"""How the tensors of `lite`'s denoiser lie in memory: which layout is quick hangs on the precision.

onnxruntime's fast float convolutions want four dimensions, its 8-bit ones channels last. The
functions compute the same in both; the denoiser is written once, over a `Layout`.

    L  positions: patches, or patches / factor deeper in the network
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

MOST_TAPS = 5  # of a merged upsampling and convolution; more weights than they save time

M = TypeVar("M", nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)


class Layout(Protocol):
    """The operations of which a denoiser on patches consists."""

    def enter(self, x: Tensor) -> Tensor:
        """(B, L, C) -> as the layout has it."""
        ...

    def leave(self, x: Tensor) -> Tensor:
        """As the layout has it -> (B, L, C)."""
        ...

    def convolution(self, convolution: nn.Conv1d) -> nn.Module:
        """The same convolution on tensors of this layout."""
        ...

    def upsampled_convolution(self, convolution: nn.Conv1d, factor: int) -> nn.Module:
        """Nearest-neighbour upsampling and a convolution of kernel 3 behind it, in one."""
        ...

    def per_channel(self, x: Tensor) -> Tensor:
        """(1, C) -> what broadcasts over the positions."""
        ...

    def mean_over(self, x: Tensor, factor: int) -> Tensor:
        """The mean of every `factor` positions."""
        ...

    def add_repeated(self, x: Tensor, coarse: Tensor, factor: int) -> Tensor:
        """`x` plus `coarse`, of which each position is repeated `factor` times."""
        ...


class ChannelsFirst:
    """(B, C, 1, L). A convolution behind an upsampling becomes one transposed convolution."""

    def enter(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)[:, :, None]

    def leave(self, x: Tensor) -> Tensor:
        return x.squeeze(2).transpose(1, 2)

    def convolution(self, convolution: nn.Conv1d) -> nn.Module:
        (kernel,), (dilation,) = convolution.kernel_size, convolution.dilation
        made = nn.Conv2d(
            convolution.in_channels,
            convolution.out_channels,
            (1, kernel),
            padding=(0, dilation * (kernel - 1) // 2),
            dilation=(1, dilation),
        )
        return _with_weights(made, convolution.weight[:, :, None], convolution.bias)

    def upsampled_convolution(self, convolution: nn.Conv1d, factor: int) -> nn.Module:
        if factor > MOST_TAPS - 2:
            return nn.Sequential(
                nn.Upsample(scale_factor=(1, factor)), self.convolution(convolution)
            )
        before, here, after = _taps(convolution)  # each (O, I)
        made = nn.ConvTranspose2d(
            convolution.in_channels,
            convolution.out_channels,
            (1, factor + 2),
            stride=(1, factor),
            padding=(0, 1),
        )
        # Output j of a coarse position at 0 .. factor - 1 sees j - 1, j, j + 1 of the repeats.
        spread = convolution.weight.new_zeros(*before.shape, factor + 2)
        for repeat in range(factor):
            for tap, weight in enumerate((after, here, before)):
                spread[:, :, repeat + tap] += weight
        return _with_weights(made, spread.transpose(0, 1)[:, :, None], convolution.bias)

    def per_channel(self, x: Tensor) -> Tensor:
        return x[:, :, None, None]

    def mean_over(self, x: Tensor, factor: int) -> Tensor:
        return functional.avg_pool2d(x, (1, factor))

    def add_repeated(self, x: Tensor, coarse: Tensor, factor: int) -> Tensor:
        return x + functional.interpolate(coarse, scale_factor=(1.0, float(factor)))


class ChannelsLast:
    """(B, L, C). The transpositions about each convolution vanish when onnxruntime fuses it."""

    def enter(self, x: Tensor) -> Tensor:
        return x

    def leave(self, x: Tensor) -> Tensor:
        return x

    def convolution(self, convolution: nn.Conv1d) -> nn.Module:
        return _Transposed(convolution)

    def upsampled_convolution(self, convolution: nn.Conv1d, factor: int) -> nn.Module:
        return _ByRepeat(convolution, factor)

    def per_channel(self, x: Tensor) -> Tensor:
        return x[:, None]

    def mean_over(self, x: Tensor, factor: int) -> Tensor:
        return _grouped(x, factor).mean(2)

    def add_repeated(self, x: Tensor, coarse: Tensor, factor: int) -> Tensor:
        return (_grouped(x, factor) + coarse[:, :, None]).flatten(1, 2)


class _Transposed(nn.Module):
    def __init__(self, convolution: nn.Conv1d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.convolution(x.transpose(1, 2)).transpose(1, 2)
        return out


class _ByRepeat(nn.Module):
    """(B, L, I) -> (B, L * factor, O): what each of the repeats of a position sees.

    The first repeat sees the position before and its own, the last its own and the one after, all
    others their own alone, with the sum of the weights. So two layers at the low rate do it: one
    makes the last repeat of a position and the first of the next from the two, one those between.
    """

    def __init__(self, convolution: nn.Conv1d, factor: int) -> None:
        super().__init__()
        before, here, after = _taps(convolution)
        bias = convolution.bias
        assert bias is not None
        inputs, outputs = convolution.in_channels, convolution.out_channels
        last = torch.stack([before + here, after], dim=2)
        first = torch.stack([before, here + after], dim=2)
        seams = nn.Conv1d(inputs, 2 * outputs, 2)
        self.seams = _Transposed(_with_weights(seams, torch.cat([last, first]), bias.repeat(2)))
        middle = nn.Conv1d(inputs, outputs, 1)
        self.middle = _Transposed(_with_weights(middle, (before + here + after)[:, :, None], bias))
        self.middles = factor - 2

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        middle: Tensor = self.middle(x)
        seams: Tensor = self.seams(functional.pad(x, (0, 0, 1, 1)))
        # (B, L + 1, last and first) -> (B, L, first and last), the outermost two left out
        ends = seams.reshape(batch, 2 * (length + 1), -1)[:, 1:-1].reshape(batch, length, 2, -1)
        first, last = ends.unbind(2)
        return torch.cat([first, *[middle] * self.middles, last], dim=2).view(
            batch, length * (self.middles + 2), -1
        )


def _grouped(x: Tensor, factor: int) -> Tensor:
    """(B, L, C) -> (B, L / factor, factor, C)."""
    return x.reshape(x.shape[0], -1, factor, x.shape[2])


def _taps(convolution: nn.Conv1d) -> tuple[Tensor, Tensor, Tensor]:
    assert convolution.kernel_size == (3,), convolution
    assert convolution.dilation == (1,), convolution
    before, here, after = convolution.weight.detach().unbind(2)
    return before, here, after


def _with_weights(module: M, weight: Tensor, bias: Tensor | None) -> M:
    assert bias is not None
    assert module.weight.shape == weight.shape, (module.weight.shape, weight.shape)
    module.weight = nn.Parameter(weight.detach().contiguous())
    module.bias = nn.Parameter(bias.detach())
    return module
