"""What a tuning run leaves in its directory, beside its state and its log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from dlpo.checkpoint import Checkpoint, current_commit, save_checkpoint
from dlpo.config import TuningConfig, to_dict
from dlpo.errors import TrainingError
from dlpo.rl.plan import Plan
from dlpo.training.run_state import write_json

RUN = "run.json"
LONGEST = 120  # characters of a value in an error


class RunDirectory:
    """The directory of one run.

    Args:
        out: where; made if it is not there.
        base: what is tuned.
        plan: how.
        data_sha256: of the dataset's index.

    Raises:
        TrainingError: it holds a run of another plan, base or dataset.
    """

    def __init__(self, out: Path, base: Checkpoint, plan: Plan, data_sha256: str) -> None:
        self.out, self.base, self.plan, self.data_sha256 = out, base, plan, data_sha256
        description = {
            "model": to_dict(base.config),
            "base_sha256": base.sha256,
            "data_sha256": data_sha256,
            **to_dict(plan),
        }
        self.description = cast(dict[str, Any], json.loads(json.dumps(description)))
        path = out / RUN
        before = json.loads(path.read_text()) if path.exists() else self.description
        for key, value in self.description.items():
            if before.get(key) != value:
                raise TrainingError(
                    f"{out}: holds a run with {key} {_short(before.get(key))}; this one has"
                    f" {_short(value)}: give the same, or choose another --out"
                )
        out.mkdir(parents=True, exist_ok=True)

    def describe(self, settings: TuningConfig) -> None:
        """Write what the run is, and its settings as they are now."""
        self.write(RUN, self.description | {"settings": to_dict(settings)})

    def save_checkpoint(self, name: str, weights: dict[str, Tensor], updates: int) -> None:
        """Write weights as float16, with what they were tuned with.

        Raises:
            CheckpointError: they can't be written.
        """
        provenance = replace(
            self.base.provenance,
            data_sha256=self.data_sha256,
            commit=current_commit(),
            tuned=self.plan.tuned(updates, self.base.sha256),
        )
        save_checkpoint(self.out / name, weights, self.base.config, provenance, torch.float16)

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file, whole or not at all.

        Raises:
            TrainingError: it can't be written.
        """
        write_json(self.out / name, content)


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
