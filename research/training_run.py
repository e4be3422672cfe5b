"""A training run's losses as a record: `python -m research.training_run runs/base`.

Reads what `dlpo train` wrote and nothing else, so that a run of any length, on any machine, can be
told of when it is done, or while it goes on.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from dlpo.checkpoint import load_checkpoint
from dlpo.config import BASE_TRAINING, LARGE_TRAINING, TrainingConfig, to_dict
from dlpo.errors import DataError, DlpoError
from dlpo_bench.record import write_record
from research import RECORDS

USUAL = {
    "lite": to_dict(TrainingConfig()),
    "base": to_dict(BASE_TRAINING),
    "large": to_dict(LARGE_TRAINING),
}
Line = dict[str, Any]


def learning(run: Path) -> tuple[str, dict[str, Any], dict[str, list[Line]]]:
    """What a run has learnt.

    Args:
        run: directory that `dlpo train` wrote.

    Returns:
        The model's name, figures of the record and its samples: every line of the log.

    Raises:
        CheckpointError: the run has saved nothing yet.
        DataError: its description or its log can't be read.
    """
    try:
        described = json.loads((run / "run.json").read_text())
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        training = described["training"]
        samples = {
            split: [{k: v for k, v in line.items() if k != "split"} for line in lines
                    if line["split"] == split]
            for split in ("train", "validation")
        }  # fmt: skip
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{run}: not a run of `dlpo train` ({error}); expected run.json and log.jsonl"
        ) from error
    if not all(samples.values()):
        raise DataError(f"{run}: its log has no {' or '.join(k for k in samples if not samples[k])}"
                        " figures yet; train on")  # fmt: skip
    checkpoint = load_checkpoint(run / "checkpoint")
    figures = {
        "model": checkpoint.config.model,
        "parameters": sum(p.numel() for p in checkpoint.model.parameters()),
        "corpus": checkpoint.provenance.corpus,
        "updates": checkpoint.provenance.updates,
        "training_commit": checkpoint.provenance.commit,
        "data_sha256": checkpoint.provenance.data_sha256,
        "training": training,
        "learning": _by_validation(samples["train"], samples["validation"]),
        "seconds_per_update": samples["train"][-1]["seconds_per_update"],
        "load_average": round(os.getloadavg()[1], 1),
    }
    return checkpoint.config.model, figures, samples


def _by_validation(train: list[Line], validation: list[Line]) -> list[Line]:
    """Each validation, beside the mean of the lines of training since the one before."""
    rows, since = [], 0
    for line in validation:
        update = line["update"]
        lately = [one for one in train if since < one["update"] <= update]
        terms = [name for name in line if name != "update" and lately and name in lately[0]]
        means = {name: sum(one[name] for one in lately) / len(lately) for name in terms}
        held_out = {name: value for name, value in line.items() if name != "update"}
        rows.append({"update": update, "train": means, "validation": held_out})
        since = update
    return rows


def command_of(model: str, training: dict[str, Any]) -> str:
    """The command line of such a run, with the settings that aren't the usual ones."""
    words = ["dlpo", "train", model, "--data", "DATA", "--out", "RUN"]
    for name, value in training.items():
        if USUAL[model].get(name) != value:
            words += ["--set", f"{name}={value}"]
    return shlex.join(words)


def main(
    run: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="From `dlpo train`.")],
    out: Annotated[Path, typer.Option(help="Directory of the record.")] = RECORDS,
) -> None:
    """Write the record `MODEL-training` of a run and print where it is."""
    try:
        model, figures, samples = learning(run)
        command = command_of(model, figures["training"])
        typer.echo(write_record(f"{model}-training", figures, command, out, samples=samples))
    except DlpoError as error:
        typer.echo(f"research.training_run: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
