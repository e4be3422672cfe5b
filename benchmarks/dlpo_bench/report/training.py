"""The section on likelihood training of the published model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.tables import number, table

TERMS = {"noise": "L1 of the noise", "duration": "squared error of durations, s²"}


def base_training(found: Sequence[Found]) -> Section:
    """How far the losses of the newest run fell."""
    figures = found[0].record.figures
    training = figures["training"]
    text = (
        f"`{figures['model']}`, {figures['parameters'] / 1e6:.1f} M parameters, on"
        f" {figures['corpus']}: {figures['updates']:,} updates of {training['batch']}"
        f" windows of {training['window']} frames, {number(figures['seconds_per_update'])} s each"
        f" at a load average of {figures['load_average']:g}. Proof of a recipe, not a voice: see"
        " [train-base.md](train-base.md).\n\n"
    )
    return Section(
        "Training of the published model", text + _losses(figures["learning"]), found[:1]
    )


def _losses(rows: Sequence[Mapping[str, Any]]) -> str:
    """Each term in training, mean of the logged updates since the row before, and held out."""
    header = ["update"]
    for words in TERMS.values():
        header += [words, "validation"]
    lines = []
    for row in rows:
        cells = [f"{row['update']:,}"]
        for term in TERMS:
            cells += [number(row["train"][term]), number(row["validation"][term])]
        lines.append(cells)
    return table(header, lines)
