"""Checkpoints: `model.safetensors` with the averaged weights, `checkpoint.json` with the rest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from dlpo.config.strict import from_dict, to_dict
from dlpo.errors import CheckpointError, ConfigError
from dlpo.model.build import Model, ModelConfig, build_model, model_config

FORMAT = 1
WEIGHTS, DESCRIPTION = "model.safetensors", "checkpoint.json"
PITCH_PAIRS = "preference pairs of the pitch"
UNTUNED_CHAIN = ("cosine:1.25", 1, 0.7)  # schedule, steps and eta that our voices are spoken by


@dataclass(frozen=True, slots=True)
class Tuned:
    """How `dlpo tune` made the weights."""

    method: str
    """such as dlpo or control"""
    reward: str
    """names and weights in command-line syntax, or which preference pairs"""
    schedule: str
    """name of the tuned chain's noise schedule; the model sounds best with it"""
    steps: int
    """N of that chain"""
    eta: float
    updates: int
    """tuning updates"""
    base_sha256: str
    """of the weights that tuning started from"""

    @property
    def of_pitch(self) -> bool:
        """Whether it changed the pitch flow and nothing else."""
        return self.reward == "endings" or self.reward.startswith(PITCH_PAIRS)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the weights came from."""

    updates: int
    """optimiser steps taken"""
    data_sha256: str
    """of the dataset's index"""
    commit: str
    """of the code, with `+` if the checkout had changes"""
    corpus: str = "LJSpeech-1.1 (public domain), 37 minutes"
    """the training data, with its licence"""
    tuned: Tuned | None = None
    """how it was tuned last, if it was; `updates` counts the training before that"""
    tuned_before: tuple[Tuned, ...] = ()
    """how it was tuned before that, or before it was trained on; the earliest first"""
    searched: tuple[str, int, float] | None = None
    """schedule, steps and eta that `dlpo schedule` found for these weights, if it did"""
    languages: dict[str, str] = field(default_factory=dict)
    """speaker -> language, BCP 47, of those that don't speak American English"""

    @property
    def chain(self) -> tuple[str, int, float]:
        """Schedule, steps and eta of the last search or tuning, else `UNTUNED_CHAIN`."""
        tuned = self.tuned
        found = self.searched or (tuned and (tuned.schedule, tuned.steps, tuned.eta))
        return found or UNTUNED_CHAIN

    @property
    def tunings(self) -> tuple[Tuned, ...]:
        """How it was tuned, the earliest first."""
        return (*self.tuned_before, self.tuned) if self.tuned else self.tuned_before

    def after(self, tuned: Tuned) -> Provenance:
        """The same once weights of this provenance have been tuned."""
        return replace(self, tuned=tuned, tuned_before=self.tunings, searched=None)

    def with_new_pitch(self, corpus: str) -> Provenance:
        """The same once the pitch has been learned again, and its tuning is gone.

        Args:
            corpus: what all of the weights learned from.
        """
        kept = tuple(tuning for tuning in self.tunings if not tuning.of_pitch)
        tuned = kept[-1] if self.tuned and kept else None
        before = kept[:-1] if tuned else kept
        return replace(self, corpus=corpus, tuned=tuned, tuned_before=before)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model in eval mode, with its metadata."""

    model: Model
    config: ModelConfig
    provenance: Provenance
    sha256: str
    """of the weights file"""


def save_checkpoint(
    path: Path,
    weights: dict[str, torch.Tensor],
    config: ModelConfig,
    provenance: Provenance,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a checkpoint directory; float16 halves its size. Integers keep their type.

    Raises:
        CheckpointError: the directory can't be written.
    """
    description: dict[str, Any] = {
        "format": FORMAT,
        "config": to_dict(config),
        "provenance": asdict(provenance),
    }
    for name in ("tuned", "tuned_before", "searched", "languages"):
        if not description["provenance"][name]:
            del description["provenance"][name]  # so that older versions can read it
    try:
        path.mkdir(parents=True, exist_ok=True)
        unfinished = path / (WEIGHTS + ".part")
        kept = {
            name: value.detach().to("cpu", dtype if value.is_floating_point() else value.dtype)
            for name, value in weights.items()
        }
        save_file({name: value.contiguous() for name, value in kept.items()}, unfinished)
        unfinished.replace(path / WEIGHTS)
        (path / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"can't write {path}: {error}; choose another path") from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint directory; nothing is unpickled.

    Raises:
        CheckpointError: missing, damaged, newer, or weights that don't fit the configuration.
    """
    try:
        description = json.loads((path / DESCRIPTION).read_text())
        raw = (path / WEIGHTS).read_bytes()
        weights = load_file(path / WEIGHTS)
        if not isinstance(description, dict):
            raise ValueError(f"{DESCRIPTION} is a {type(description).__name__}")
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: not a checkpoint ({error}); expected a directory with {WEIGHTS} and"
            f" {DESCRIPTION}, as dlpo train writes"
        ) from error
    if description.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: format {description.get('format')}; this version reads format {FORMAT}:"
            " upgrade dlpo"
        )
    try:
        config = model_config(description["config"])
        provenance = from_dict(Provenance, description["provenance"])
        model = build_model(config)
        model.load_state_dict({name: value.float() for name, value in weights.items()})
    except (AttributeError, KeyError, TypeError, ConfigError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: weights and {DESCRIPTION} don't belong together ({error}); copy both again"
        ) from error
    return Checkpoint(model.eval(), config, provenance, hashlib.sha256(raw).hexdigest())
