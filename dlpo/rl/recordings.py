"""Windows of recordings as the chain of a model sees them, of either kind of model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from dlpo.model.build import Model
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.rl.conditions import Conditions
from dlpo.rl.guide import Recorded, recorded_windows
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.batches import Batches
from dlpo.training.excerpts import ExcerptBatches, Excerpts
from dlpo.training.wavegrad_losses import recorded_conditioning

Cut = Callable[[Sequence[tuple[int, int]], int, tuple[int, int]], Recorded]
"""(utterance, first frame) of each window, their frames, `Recorded.share` -> the windows"""


def cut_of(model: Model, batches: Batches) -> Cut:
    """What cuts windows and conditions them as the model's training did.

    Args:
        model: in eval mode; what is before its denoiser is frozen.
        batches: of the split that the utterances are in.
    """
    device = next(model.parameters()).device
    if not isinstance(model, WaveGrad2):
        told = FrozenAcoustics(model, batches)

        def of_lite(
            places: Sequence[tuple[int, int]], window: int, share: tuple[int, int]
        ) -> Recorded:
            windows = batches.collate(list(places), window).to(device)
            return recorded_windows(model, windows, told.of(windows), share)

        return of_lite
    excerpts = ExcerptBatches(batches)

    def of_published(
        places: Sequence[tuple[int, int]], window: int, share: tuple[int, int]
    ) -> Recorded:
        return recorded_excerpts(model, excerpts.collate(places, window, 0).to(device), share)

    return of_published


@torch.no_grad()
def recorded_excerpts(
    model: WaveGrad2, excerpts: Excerpts, share: tuple[int, int] = (0, 1)
) -> Recorded:
    """Windows of the published model's training, spread over the frames by recorded durations.

    Args:
        model: whatever gives the conditioning; in eval mode.
        excerpts: recordings, without context.
        share: see `Recorded.share`.
    """
    hidden = model.hidden(excerpts.sentences.phonemes, excerpts.sentences.mask)
    conditioning = recorded_conditioning(model, hidden, excerpts)
    size, frames = excerpts.positions.shape
    inside = excerpts.scored.view(size, frames, -1)[:, :, 0].sum(1).long()
    conditions = Conditions(conditioning, torch.zeros_like(excerpts.waveform), inside)
    return Recorded(conditions, excerpts.waveform, share)
