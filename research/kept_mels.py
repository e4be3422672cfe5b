"""A corpus whose mel is what a model already predicts, so that training keeps a voice as it is.

    python -m research.kept_mels voices/spectral/tuned data/lj lj data/lj-kept

Where voices are added to a model, its acoustics drift towards the recordings of the old ones, and
judges hear it (docs/voice.md). From this corpus `dlpo train spectral --set part=acoustics` learns
the old prediction instead. Reference: learning without forgetting, Li and Hoiem 2016.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np

from dlpo.checkpoint import load_checkpoint
from dlpo.data.dataset import Corpora
from dlpo.errors import InputError
from dlpo.model.acoustics import MEL_SCALE, MEL_SHIFT
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.batches import CONTEXT, Batches


def keep_mels(checkpoint: Path, data: Path, voice: str, out: Path, most: int = 1_000) -> int:
    """Write a copy of a corpus, all of it in one voice; returns how many clips it has.

    Args:
        checkpoint: of a `spectral`; it predicts mel from each recording's own prosody.
        data: dataset from `dlpo prepare`; its other arrays are linked, not copied.
        voice: that the clips get, and that the prediction speaks with.
        out: directory of the copy.
        most: clips with audio of the training split.

    Raises:
        InputError: a checkpoint of another model.
    """
    model = load_checkpoint(checkpoint).model.requires_grad_(False)
    if not isinstance(model, SpectralWaveGrad2):
        raise InputError(f"{checkpoint} is {model.config.model!r}; expected spectral")
    out.mkdir(parents=True)
    for file in data.glob("*.npy"):
        if file.name != "mel.npy":
            os.symlink(file.resolve(), out / file.name)
    mel, corpora = np.load(data / "mel.npy"), Corpora([data])
    rows, kept = model.config.rows(voice), set[int]()
    for split in ("train", "validation"):
        batches = Batches(corpora, split, 0, 0, lambda _: rows)
        for number in corpora.split(split, with_audio=True)[:most]:
            predicted = FrozenAcoustics(model, batches).of(batches.whole(number)).mel[0]
            entry = corpora.entries[number]
            span = slice(entry.first_frame, entry.first_frame + entry.frames)
            mel[span] = (predicted[:, CONTEXT:-CONTEXT].T.numpy() - MEL_SHIFT) / MEL_SCALE
            kept.add(number)
    index = json.loads((data / "dataset.json").read_text("utf-8"))
    index["utterances"] = [
        {**one, "voice": voice}
        for number, one in enumerate(index["utterances"])
        if number in kept or not one["frames"]
    ]
    np.save(out / "mel.npy", mel)
    (out / "dataset.json").write_text(json.dumps(index), "utf-8")
    return len(kept)


def main() -> None:
    parser = argparse.ArgumentParser("research.kept_mels", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("voice")
    parser.add_argument("out", type=Path)
    parser.add_argument("--most", type=int, default=1_000)
    options = parser.parse_args()
    print(keep_mels(**vars(options)), "clips in", options.out)


if __name__ == "__main__":
    main()
