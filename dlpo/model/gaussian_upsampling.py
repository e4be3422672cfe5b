"""Phonemes to frames: each frame is a mixture of hidden vectors, weighted by Gaussians in time.

    c_i = sum_{j <= i} d_j - d_i / 2                       centre of symbol i
    w_ti = N(t; c_i, s_i) / sum_j N(t; c_j, s_j)           over symbols of nonzero duration

Reference: Shen et al. 2020 (Non-Attentive Tacotron), section 2.1.
"""

from __future__ import annotations

import torch
from torch import Tensor

MIN_RANGE = 0.1  # frames; a narrower Gaussian only risks a division by zero


def frame_positions(frames: int, device: torch.device | None = None) -> Tensor:
    """(F,) float32: the middle of each frame, 0.5, 1.5, ... F - 0.5."""
    return torch.arange(frames, dtype=torch.float32, device=device) + 0.5


def upsampling_weights(durations: Tensor, ranges: Tensor, positions: Tensor) -> Tensor:
    """Each symbol's share of each frame.

    Args:
        durations: (B, P) frames; 0 for a mark without a pause, and for padding.
        ranges: (B, P) frames, standard deviation of each symbol's Gaussian.
        positions: (F,) or (B, F) frames, where to look; `frame_positions` or a window of it.

    Returns:
        (B, F, P), rows add up to 1; all 0 if no symbol of the utterance has a duration.
    """
    lasts = (durations > 0)[:, None, :]  # (B, 1, P)
    centres = (durations.cumsum(-1) - durations / 2)[:, None, :]
    ranges = ranges.clamp(min=MIN_RANGE)[:, None, :]
    distance = (positions[..., None] - centres) / ranges  # (B, F, P)
    logits = -0.5 * distance.square() - ranges.log()
    # Finite, so that a row without any symbol does not become NaN.
    absent = torch.finfo(logits.dtype).min
    weights = torch.softmax(torch.where(lasts, logits, absent), dim=-1)
    return weights * lasts


def gaussian_upsample(
    hidden: Tensor, durations: Tensor, ranges: Tensor, positions: Tensor
) -> Tensor:
    """(B, C, P) -> (B, C, F), with the arguments of `upsampling_weights`."""
    weights = upsampling_weights(durations, ranges, positions)
    return (weights @ hidden.transpose(1, 2)).transpose(1, 2)  # the order that suits onnxruntime
