"""How far a reverse step looks, measured by gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from dlpo.model.build import Model


def context_frames_per_step(model: Model, conditioning_channels: int) -> int:
    """How many frames on each side of a frame one reverse step sees, measured by gradients.

    Where a frame of the output does not depend on an input, the gradient is exactly zero.
    """
    frames, hop = 33, model.config.grid.hop_length
    while True:
        centre = frames // 2
        generator = torch.Generator().manual_seed(0)
        noisy, source = torch.randn(2, 1, frames * hop, generator=generator)
        conditioning = torch.randn(1, conditioning_channels, frames, generator=generator)
        inputs = [x.requires_grad_() for x in (noisy, source, conditioning)]
        with torch.enable_grad():
            out = model.denoise(noisy, torch.tensor([0.5]), conditioning, source)
            middle = out.view(1, frames, hop)[:, centre].sum()
            gradients = torch.autograd.grad(middle, inputs, allow_unused=True)
        reach = max(
            farthest_frame(gradient, centre, frames)
            for gradient in gradients
            if gradient is not None
        )
        if reach < centre:  # else it may reach beyond this window
            return reach
        frames = 2 * frames - 1


def farthest_frame(gradient: Tensor, centre: int, frames: int) -> int:
    """(B, C, F) or (B, T) -> the distance in frames of the farthest entry that is not 0."""
    by_frame = gradient if gradient.ndim == 3 else gradient.view(1, frames, -1).mT
    seen = by_frame.abs().amax(dim=(0, 1)).nonzero()
    return int((seen - centre).abs().max())
