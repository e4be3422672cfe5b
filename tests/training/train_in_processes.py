"""One process of several that train a toy together; started by test_two_ranks.py.

    python -m tests.training.train_in_processes CHECKPOINT DATA OUT

RANK, WORLD_SIZE and the rest of torch.distributed's environment say which one it is. It trains
OUT/all with an adversary, and OUT/PART for one update of that part alone. Each process writes its
weights, and its gradients of that one update, beside them.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from dlpo.checkpoint import load_checkpoint
from dlpo.config.models import SpectralConfig
from dlpo.config.training import SpectralTraining
from dlpo.training.spectral_trainer import SpectralTrainer
from tests.toys import SPECTRAL_TRAINING

PARTS = ("acoustics", "denoiser")


def settings(part: str, **changes: int) -> SpectralTraining:
    # Without a limit the gradients of two processes are the mean of each one's.
    return replace(SPECTRAL_TRAINING, part=part, gradient_clip=1e9, **changes)  # type: ignore[arg-type]


def train(
    config: SpectralConfig, training: SpectralTraining, data: Path, out: Path
) -> SpectralTrainer:
    trainer = SpectralTrainer(config, training, [data], [1.0], out)
    trainer.run()
    rank = trainer.accelerator.process_index
    save_file(dict(trainer.model.state_dict()), out / f"weights-{rank}.safetensors")
    return trainer


def gradients(trainer: SpectralTrainer) -> dict[str, torch.Tensor]:
    """Those of the only update: Adam begins with a tenth of them."""
    state = trainer.optimizer.state
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    return {names[id(p)]: 10 * kept["exp_avg"] for p, kept in state.items()}


def main(checkpoint: str, data: str, out: str) -> None:
    config = load_checkpoint(Path(checkpoint)).config
    assert isinstance(config, SpectralConfig)
    train(config, settings("denoiser"), Path(data), Path(out) / "all")
    for part in PARTS:
        one = settings(part, updates=1, adversarial_from=1)
        trainer = train(config, one, Path(data), Path(out) / part)
        rank = trainer.accelerator.process_index
        save_file(gradients(trainer), Path(out) / part / f"gradients-{rank}.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
