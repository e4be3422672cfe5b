"""A training run as a command line asks for it: a model's name, datasets, and settings by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlpo.config.models import ContourConfig, SpectralConfig
from dlpo.config.strict import from_dict, to_dict
from dlpo.config.training import (
    BASE_TRAINING,
    LARGE_TRAINING,
    MINI_TRAINING,
    ContourTraining,
    SpectralTraining,
    WaveGrad2Training,
)
from dlpo.errors import InputError
from dlpo.model.build import CONFIGS, model_config
from dlpo.training.contour_trainer import ContourTrainer
from dlpo.training.run import TrainingRun
from dlpo.training.spectral_trainer import SpectralTrainer
from dlpo.training.wavegrad_trainer import WaveGradTrainer

PUBLISHED = {"mini": MINI_TRAINING, "base": BASE_TRAINING, "large": LARGE_TRAINING}
SIZE = "model."  # begins the keys of a new model's sizes
TAPER = "source_taper_hz"  # has no weights, so that a checkpoint may get another


def open_training(
    model: str,
    data: Mapping[Path, float],
    out: Path,
    inits: Sequence[Path],
    settings: Mapping[str, Any],
) -> TrainingRun:
    """Open the run of a model, or go on with the one in `out`.

    Args:
        model: contour, or a key of `CONFIGS`.
        data: dataset -> how much is drawn from it.
        out: the run's directory.
        inits: checkpoints to start from.
        settings: of the training; `model.KEY` sizes a model that starts from scratch, or a contour.

    Raises:
        InputError: datasets, checkpoints or sizes that this model can't have.
        ConfigError: an unknown setting, or a value out of range.
        Also what the trainers raise.
    """
    sizes = {key.removeprefix(SIZE): value for key, value in settings.items() if _is_size(key)}
    values = {key: value for key, value in settings.items() if not _is_size(key)}
    paths, shares = list(data), list(data.values())
    if model == "contour":
        if len(inits) != 1:
            raise InputError("contour needs exactly one checkpoint; give it with --init")
        contour = from_dict(ContourConfig, to_dict(ContourConfig()) | sizes)
        how = from_dict(ContourTraining, values)
        return ContourTrainer(contour, how, paths, shares, out, inits[0])
    if inits and (fixed := sizes.keys() - {TAPER}):
        given = ", ".join(SIZE + key for key in sizes if key in fixed)
        raise InputError(f"--set {given}: the model is that of --init; only a new one has a choice")
    config = model_config(to_dict(CONFIGS[model]) | sizes)
    if isinstance(config, SpectralConfig):
        training = from_dict(SpectralTraining, values)
        return SpectralTrainer(config, training, paths, shares, out, inits)
    if len(paths) > 1 or len(inits) > 1:
        raise InputError(
            f"{model} takes one --data and at most one --init; got {len(paths)} and {len(inits)}"
        )
    published = from_dict(WaveGrad2Training, to_dict(PUBLISHED[model]) | values)
    return WaveGradTrainer(config, published, paths[0], out, inits[0] if inits else None)


def _is_size(key: str) -> bool:
    return key.startswith(SIZE) and key != "model.model"
