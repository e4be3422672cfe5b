"""`lite`'s denoiser as it is exported: the function of `dlpo.model.lite`, arranged for speed.

Against the trained module each convolution that follows an upsampling runs at the lower rate, the
two halves of a FiLM are convolutions of their own, and tensors lie as the run-time likes them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.model.blocks import SLOPE, DownBlock, Film, UpBlock, conv
from dlpo.model.lite import LiteWaveGrad2
from dlpo_export.layouts import Layout


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
