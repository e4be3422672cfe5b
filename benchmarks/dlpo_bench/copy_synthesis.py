"""Copy-synthesis: a checkpoint that is told the recording's own timing, pitch and mel.

It hears what the denoiser can do at best; what text-to-speech lacks beside it is prosody.
"""

from __future__ import annotations

from pathlib import Path

from dlpo.checkpoint import load_checkpoint
from dlpo.data.dataset import Dataset
from dlpo.errors import DataError, InputError
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.training.batches import Batches
from dlpo.training.synthesis import copy
from dlpo_bench.clips import Clip, Waveform
from dlpo_bench.systems import System


def copy_synthesis(
    checkpoint: Path, data: Path, schedule: NoiseSchedule, split: str = "test", seed: int = 0
) -> System:
    """A system that copies the recordings of one split.

    Args:
        checkpoint: of a `lite`, as `dlpo train` writes it.
        data: dataset from `dlpo prepare` that has the recordings.
        schedule: the reverse chain.
        split: where the clips are.
        seed: of the noise, the same for every clip.

    Raises:
        CheckpointError, DataError: unusable, or without recordings in that split.
        InputError: a checkpoint of another model.
    """
    model = load_checkpoint(checkpoint).model
    if not isinstance(model, LiteWaveGrad2):
        raise InputError(f"{checkpoint} is not a `lite`; expected one, for it alone is told mel")
    batches = Batches(Dataset(data), split, seed)
    utterances = {batches.dataset.entries[i].id: i for i in batches.recorded}

    def system(clip: Clip) -> Waveform:
        if clip.clip_id not in utterances:
            raise DataError(f"{data} has no recording of {clip.clip_id} in its {split} split")
        return copy(model, batches, utterances[clip.clip_id], schedule, seed)

    return system
