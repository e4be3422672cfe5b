"""The voices as they were before they learned how sentences end: where that tuning begins.

    python -m research.before_endings OUT

Puts the pitch flow of `voices/spectral/endings/before.safetensors` into `voices/spectral/tuned`,
and takes back what its description says of the tuning of endings.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors.torch import load_file

from dlpo.checkpoint import load_checkpoint, save_checkpoint
from research import run_study

VOICES = Path(__file__).resolve().parents[1] / "voices" / "spectral"


def main(out: Annotated[Path, typer.Argument(help="Directory of the checkpoint.")]) -> None:
    """Write the checkpoint before the tuning of endings."""
    tuned = load_checkpoint(VOICES / "tuned")
    weights = tuned.model.state_dict() | load_file(VOICES / "endings" / "before.safetensors")
    history = [*tuned.provenance.tuned_before, tuned.provenance.tuned]
    before = [step for step in history if step is not None and step.reward != "endings"]
    provenance = replace(tuned.provenance, tuned=before[-1], tuned_before=tuple(before[:-1]))
    save_checkpoint(out, weights, tuned.config, provenance, torch.float16)
    typer.echo(out)


if __name__ == "__main__":
    run_study(main)
