"""One process of several that train a toy together; started by test_two_ranks.py.

    python -m tests.training.train_in_processes CHECKPOINT DATA OUT

RANK, WORLD_SIZE and the rest of torch.distributed's environment say which one it is. It trains the
denoiser with an adversary, and writes its weights to OUT.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file

from dlpo.checkpoint import load_checkpoint
from dlpo.config.models import SpectralConfig
from dlpo.training.spectral_trainer import SpectralTrainer
from tests.toys import SPECTRAL_TRAINING


def main(checkpoint: str, data: str, out: str) -> None:
    config = load_checkpoint(Path(checkpoint)).config
    assert isinstance(config, SpectralConfig)
    training = replace(SPECTRAL_TRAINING, part="denoiser")
    trainer = SpectralTrainer(config, training, [Path(data)], [1.0], Path(out))
    trainer.run()
    rank = trainer.accelerator.process_index
    save_file(dict(trainer.model.state_dict()), Path(out) / f"weights-{rank}.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
