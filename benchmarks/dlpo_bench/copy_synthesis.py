"""Copy-synthesis: a checkpoint that gets the recording's own timing, pitch and mel.

It is the best that the denoiser can do; text-to-speech differs from it by its prosody.
"""

from __future__ import annotations

from pathlib import Path

from dlpo.bundle import Bundle
from dlpo.checkpoint import load_checkpoint
from dlpo.data.dataset import Dataset
from dlpo.errors import DataError, InputError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.training.batches import Batches
from dlpo.training.synthesis import copy
from dlpo_bench.clips import Clip, Waveform
from dlpo_bench.systems import Say, SpeakingOptions, System
from dlpo_serving.voices import find_voice


def copies(
    checkpoint: Path, data: Path, voice: str, speaking: SpeakingOptions, split: str = "test"
) -> list[System]:
    """A candidate for each number of steps, that copies the recordings of one split.

    Args:
        checkpoint: of a `spectral`, as `dlpo train` writes it.
        data: dataset from `dlpo prepare` that has the recordings.
        voice: name or path of a bundle, whose chain it is but for what `speaking` says.
        speaking: steps, schedule, eta and seeds.
        split: where the clips are.

    Raises:
        CheckpointError, DataError: unusable, or without recordings in that split.
        InputError: a checkpoint of another model.
        BundleError: the voice is damaged.
    """
    model = load_checkpoint(checkpoint).model
    if not isinstance(model, SpectralWaveGrad2):
        raise InputError(
            f"{checkpoint} is {model.config.model!r}; expected spectral, which is copied from mel"
        )
    batches = Batches(Dataset(data), split, 0, 0, model.config.rows)
    manifest = Bundle.load(find_voice(voice)).manifest
    name = speaking.schedule or manifest.noise_schedule.name
    eta = manifest.noise_schedule.eta if speaking.eta is None else speaking.eta
    found = []
    for n in speaking.steps or (manifest.steps,):
        chain = named_schedule(name, n, eta)
        takes = tuple(copy_synthesis(model, batches, chain, s) for s in range(speaking.seeds))
        about = {"kind": "copies", "path": str(checkpoint), "schedule": name, "eta": eta}
        found.append(System(f"copy-synthesis, {n} steps", takes, {**about, "steps": n}))
    return found


def copy_synthesis(
    model: SpectralWaveGrad2, batches: Batches, schedule: NoiseSchedule, seed: int = 0
) -> Say:
    """A system that copies recordings.

    Args:
        model: in eval mode.
        batches: of the split that the clips are in.
        schedule: the reverse chain.
        seed: of the noise, the same for every clip.
    """
    utterances = {batches.dataset.entries[i].id: i for i in batches.recorded}

    def system(clip: Clip) -> Waveform:
        if clip.clip_id not in utterances:
            raise DataError(
                f"{batches.dataset.path} has no recording of {clip.clip_id} in this split, but of"
                f" {len(utterances)} others; prepare the corpus again"
            )
        return copy(model, batches, utterances[clip.clip_id], schedule, seed)

    return system
