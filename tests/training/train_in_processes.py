"""One process of several that train a tiny lite together; started by test_two_ranks.py.

    python -m tests.training.train_in_processes CHECKPOINT DATA OUT

RANK, WORLD_SIZE and the rest of torch.distributed's environment say which one it is. It trains
OUT/all through all parts, and OUT/PART for one update of that part alone. Each process writes its
weights, and its gradients of that one update, beside them.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from dlpo.checkpoint import load_checkpoint
from dlpo.config.models import LiteConfig
from dlpo.config.training import TrainingConfig
from dlpo.training.trainer import Trainer
from tests.toys import LITE_TRAINING

UPDATES = 6
PARTS = {"acoustic": (1, 0), "denoiser": (0, 0)}  # acoustic and adversarial updates


def settings(
    updates: int, acoustic_updates: int = 2, adversarial_updates: int = 2
) -> TrainingConfig:
    return replace(
        LITE_TRAINING, updates=updates, acoustic_updates=acoustic_updates,
        adversarial_updates=adversarial_updates,
        gradient_clip=1e9,  # none: gradients of two processes are then the mean of each one's
    )  # fmt: skip


def train(config: LiteConfig, training: TrainingConfig, data: Path, out: Path) -> Trainer:
    trainer = Trainer(config, training, data, out)
    trainer.run()
    rank = trainer.accelerator.process_index
    save_file(dict(trainer.model.state_dict()), out / f"weights-{rank}.safetensors")
    return trainer


def gradients(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Those of the only update: Adam begins with a tenth of them."""
    state = trainer.optimizer.state
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    return {names[id(p)]: 10 * kept["exp_avg"] for p, kept in state.items()}


def main(checkpoint: str, data: str, out: str) -> None:
    config = load_checkpoint(Path(checkpoint)).config
    assert isinstance(config, LiteConfig)
    train(config, settings(UPDATES), Path(data), Path(out) / "all")
    for part, updates in PARTS.items():
        trainer = train(config, settings(1, *updates), Path(data), Path(out) / part)
        rank = trainer.accelerator.process_index
        save_file(gradients(trainer), Path(out) / part / f"gradients-{rank}.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
