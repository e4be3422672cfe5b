"""The prosody of a voice as a few numbers, which exploring weights moves first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dlpo.model.acoustics import MEL_BANDS
from dlpo.model.build import Model
from dlpo.model.wavegrad2 import WaveGrad2

LOG_ODDS, PROSODY_BANDS = 5.0, 10  # change per unit of log-odds; overlapping bands of log-mel
CENTRE = 0.1  # change per unit of a pitch's centre, relative to its ln Hz

Move = Sequence[tuple[Tensor, Tensor]]
"""Weights, and what a coordinate of 1 adds to each"""


def prosody_moves(model: Model) -> list[Move]:
    """The coordinates of a model's prosody; none for a model that doesn't predict it.

    Offsets of log duration, of the log-odds of a pause and of voicing, of the symbols' width in
    the upsampling and of energy; gains of the predicted log duration, energy and log-mel; offsets
    of log-mel in 10 overlapping bands; centre, spread and temperature of a drawn pitch.
    """
    if isinstance(model, WaveGrad2):
        return []
    weights = dict(model.named_parameters())

    def row(name: str, number: int, step: float | None = None) -> Move:
        """Adds `step`, or the row itself, to a row."""
        weight = weights[name]
        change = torch.zeros_like(weight)
        change[number] = weight[number] if step is None else step
        return [(weight, change)]

    pitch_steps = []
    if model.contour is not None:
        drawn = model.pitch_ranges * (model.pitch_ranges[:, 2:] > 0)  # sessions have none
        steps = torch.tensor([CENTRE, 1.0, 1.0]) * drawn
        pitch_steps = [(model.pitch_ranges, steps * unit) for unit in torch.eye(3)]
    with torch.no_grad():
        mel, offset = weights["mel_out.weight"], weights["mel_out.bias"]
        centres, bands = torch.linspace(0, MEL_BANDS - 1, PROSODY_BANDS), torch.arange(MEL_BANDS)
        overlapping = (1 - (bands - centres[:, None]).abs() / centres[1]).clamp(min=0).to(offset)
        return [
            row("timing_out.bias", 0, 1.0),
            row("timing_out.bias", 1, LOG_ODDS),
            row("timing_out.bias", 2, 1.0),
            row("prosody_out.bias", 1, LOG_ODDS),
            row("prosody_out.bias", 2, 1.0),
            row("timing_out.weight", 0),
            row("prosody_out.weight", 2),
            [(mel, mel.clone()), (offset, offset.clone())],
            *([(offset, band)] for band in overlapping),
            *([(pitch, step)] for pitch, step in pitch_steps),
        ]
