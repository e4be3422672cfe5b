"""Memory layouts of `lite`'s denoiser: which one is quick depends on the precision.

onnxruntime's fast float convolutions want four dimensions, its 8-bit ones channels last. The
functions compute the same in both; the denoiser is written once, over a `Layout`.

    L  positions: patches, or patches / factor deeper in the network
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.model.blocks import SLOPE, DownBlock, Film, UpBlock, conv
from dlpo.model.lite import LiteWaveGrad2

MOST_TAPS = 5  # of a merged upsampling and convolution; more weights than they save time

M = TypeVar("M", nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)


class ChannelsFirst:
    """(B, C, 1, L). A convolution behind an upsampling becomes one transposed convolution."""

    def enter(self, x: Tensor) -> Tensor:
        """(B, L, C) -> as the layout has it."""
        return x.transpose(1, 2)[:, :, None]

    def leave(self, x: Tensor) -> Tensor:
        """As the layout has it -> (B, L, C)."""
        return x.squeeze(2).transpose(1, 2)

    def convolution(self, convolution: nn.Conv1d) -> nn.Module:
        """The same convolution on tensors of this layout."""
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
        """Nearest-neighbor upsampling and a convolution of kernel 3 behind it, in one."""
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
        """(1, C) -> what broadcasts over the positions."""
        return x[:, :, None, None]

    def mean_over(self, x: Tensor, factor: int) -> Tensor:
        """The mean of every `factor` positions."""
        return functional.avg_pool2d(x, (1, factor))

    def add_repeated(self, x: Tensor, coarse: Tensor, factor: int) -> Tensor:
        """`x` plus `coarse`, of which each position is repeated `factor` times."""
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


Layout = ChannelsFirst | ChannelsLast
"""Both have the same methods, which a denoiser on patches consists of."""


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


class LiteDenoiser(nn.Module):
    """Shares nothing with the model that it is made from; `forward` has `denoise`'s contract."""

    def __init__(self, model: LiteWaveGrad2, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.patch = model.config.patch
        self.level = model.level
        self.patch_in = layout.convolution(model.patch_in)
        self.down = _Down(model.down, layout)
        self.film = nn.ModuleList(_Film(film, layout) for film in model.film)  # type: ignore[arg-type]
        self.up = nn.ModuleList(_Up(block, layout) for block in model.up)  # type: ignore[arg-type]
        self.patch_out = layout.convolution(model.patch_out)

    def forward(
        self, noisy: Tensor, noise_level: Tensor, conditioning: Tensor, source: Tensor
    ) -> Tensor:
        """(B, T), (1,), (B, C2, F), (B, T) -> (B, T) x0."""
        patches = [x.view(x.shape[0], -1, self.patch) for x in (noisy, source)]
        level = self.level(noise_level)
        fine = self.patch_in(self.layout.enter(torch.cat(patches, dim=2)))
        coarse = self.down(fine)
        x = self.layout.enter(conditioning.transpose(1, 2))
        for up, film, branch in zip(self.up, self.film, (coarse, fine), strict=True):
            x = up(x, *film(branch, level))
        x = self.layout.leave(self.patch_out(functional.leaky_relu(x, SLOPE)))
        return x.flatten(1)


class _Down(nn.Module):
    def __init__(self, block: DownBlock, layout: Layout) -> None:
        super().__init__()
        self.layout, self.factor = layout, block.factor
        self.skip = layout.convolution(block.skip)
        self.convolutions = nn.Sequential()
        for convolution in block.convolutions:
            assert isinstance(convolution, nn.Conv1d)
            self.convolutions.extend([nn.LeakyReLU(SLOPE), layout.convolution(convolution)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.layout.mean_over(x, self.factor)
        out: Tensor = self.skip(x) + self.convolutions(x)
        return out


class _Film(nn.Module):
    def __init__(self, film: Film, layout: Layout) -> None:
        super().__init__()
        self.layout, self.level = layout, film.level
        self.scale, self.shift = (layout.convolution(half) for half in _halves(film.out))

    def forward(self, x: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        x = functional.leaky_relu(x + self.layout.per_channel(self.level(level)), SLOPE)
        return self.scale(x), self.shift(x)


class _Up(nn.Module):
    def __init__(self, block: UpBlock, layout: Layout) -> None:
        super().__init__()
        self.layout, self.factor = layout, block.factor
        self.skip = layout.convolution(block.skip)
        self.enter = layout.upsampled_convolution(block.enter, block.factor)
        self.modulated = nn.ModuleList(
            layout.convolution(convolution)  # type: ignore[arg-type]
            for convolution in block.modulated
        )

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        def modulate(i: int, y: Tensor) -> Tensor:
            out: Tensor = self.modulated[i](functional.leaky_relu(scale * y + shift, SLOPE))
            return out

        entered = modulate(0, self.enter(functional.leaky_relu(x, SLOPE)))
        x = self.layout.add_repeated(entered, self.skip(x), self.factor)
        return x + modulate(2, modulate(1, x))


def _halves(convolution: nn.Conv1d) -> list[nn.Conv1d]:
    """The convolutions that make the first and the second half of the output channels."""
    assert convolution.bias is not None
    made = []
    for weight, bias in zip(convolution.weight.chunk(2), convolution.bias.chunk(2), strict=True):
        half = conv(convolution.in_channels, len(bias), convolution.kernel_size[0])
        half.weight, half.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
        made.append(half)
    return made
