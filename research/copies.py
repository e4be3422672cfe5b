"""Copy synthesis: recordings resynthesized from their own timing, pitch and mel.

    python -m research.copies voices/spectral/checkpoint data/lj copies --steps 3
    dlpo eval copies=copies lj

This is the best the denoiser can do; text-to-speech differs from it only in its prosody.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dlpo.audio import write_wav
from dlpo.bundle import Bundle
from dlpo.checkpoint import load_checkpoint
from dlpo.data.dataset import Corpora
from dlpo.errors import InputError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import named_schedule
from dlpo.training.batches import Batches
from dlpo.training.synthesis import copy
from dlpo_serving.voice_names import DEFAULT_VOICE
from dlpo_serving.voices import find_voice


def write_copies(
    checkpoint: Path, data: Path, out: Path, steps: int, voice: str = DEFAULT_VOICE
) -> int:
    """Write copies of the test split's recordings to `<clip id>.wav`; returns how many there are.

    Args:
        checkpoint: of a `spectral` model, as written by `dlpo train`.
        data: dataset from `dlpo prepare` that contains the recordings.
        steps: reverse steps.
        voice: name or path of a bundle, whose noise schedule and eta are used.

    Raises:
        CheckpointError, DataError: unusable, or no recordings in that split.
        InputError: the checkpoint is of another model.
        BundleError: the voice is damaged.
    """
    model = load_checkpoint(checkpoint).model
    if not isinstance(model, SpectralWaveGrad2):
        raise InputError(
            f"{checkpoint} is {model.config.model!r}; expected spectral, which is copied from mel"
        )
    batches = Batches(Corpora([data]), "test", 0, 0, model.config.rows)
    chain = Bundle.load(find_voice(voice)).manifest.noise_schedule
    schedule = named_schedule(chain.name, steps, chain.eta)
    out.mkdir(parents=True, exist_ok=True)
    for number in batches.recorded:
        name = f"{batches.dataset.entries[number].id}.wav"
        made = copy(model, batches, number, schedule)
        write_wav(out / name, made, model.config.sample_rate_hz)
    return len(batches.recorded)


def main() -> None:
    parser = argparse.ArgumentParser("research.copies", description=__doc__)
    for name in ("checkpoint", "data", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--steps", type=int, default=1)
    options = parser.parse_args()
    print(write_copies(**vars(options)), "copies in", options.out)


if __name__ == "__main__":
    main()
