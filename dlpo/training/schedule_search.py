"""`dlpo schedule`: which noise levels and which eta serve a checkpoint best at N steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from dlpo.audio import Waveform
from dlpo.errors import DataError
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import named_schedule
from dlpo.training.batches import Batches
from dlpo.training.losses import multi_resolution_stft
from dlpo.training.synthesis import copy

NAMES = ("cosine:0.5", "cosine:0.75", "cosine", "cosine:1.5", "cosine:2", "linear", "logarithmic")
ETAS = (0.0, 0.25, 0.5, 1.0)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """One schedule and how far its speech is from the recordings."""

    name: str
    eta: float
    distance: float
    """multi-resolution STFT distance of copy-synthesis to the recording, mean over the clips"""


def search_schedules(
    model: LiteWaveGrad2,
    batches: Batches,
    steps: int,
    clips: int = 4,
    names: Sequence[str] = NAMES,
    etas: Sequence[float] = ETAS,
    progress: Progress = lambda done, total: None,
) -> list[Trial]:
    """Copy the first validation clips with every schedule; the best comes first.

    A distance to the recording ranks chains of one length; how many steps to take at all is for
    the judges to say, see `dlpo eval`.

    Args:
        model: in eval mode.
        batches: of the validation split.
        steps: N.
        clips: how many recordings to copy.
        names: of schedules.
        etas: each is tried with each name; at N = 1 there is no noise to add, so only the first.
        progress: called with trials done and trials in all.

    Raises:
        DataError: the split has no recordings.
        ConfigError: an unknown name, or steps out of range.
    """
    chosen = batches.recorded[:clips]
    if not chosen:
        raise DataError(
            f"{batches.dataset.path}: no validation recordings; prepare a corpus with some"
        )
    tried = [(name, eta) for name in names for eta in (etas if steps > 1 else etas[:1])]
    trials = []
    for done, (name, eta) in enumerate(tried, 1):
        schedule = named_schedule(name, steps, eta)
        distances = [
            _distance(copy(model, batches, i, schedule), batches.dataset[i].waveform)
            for i in chosen
        ]
        trials.append(Trial(name, eta, sum(distances) / len(distances)))
        progress(done, len(tried))
    return sorted(trials, key=lambda trial: trial.distance)


def _distance(made: Waveform, recorded: Waveform) -> float:
    made_scaled, recorded_scaled = (torch.from_numpy(x)[None] * 5 for x in (made, recorded))
    return float(multi_resolution_stft(made_scaled, recorded_scaled))
