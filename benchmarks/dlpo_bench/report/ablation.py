"""Sections on what makes the voice: parts of its recipe, and its reverse chain."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo_bench.report.sections import Found, Section
from dlpo_bench.report.speech import differences, draw_differences
from dlpo_bench.report.tables import number, table


def ablation(found: Sequence[Found]) -> Section:
    """Differences from the recipe, what each variant costs, and a picture of both."""
    record = found[0].record
    figures, samples = record.figures, record.samples
    questions = {name: variant["question"] for name, variant in samples["variants"].items()}
    heard = {questions.get(name, name): values for name, values in figures["heard"].items()}
    budget, clips = samples["budget"], len(samples["clips"])
    text = (
        f"The denoiser learns anew in {budget['updates']} updates of {budget['batch']} windows of"
        f" {budget['window']} frames, each time with one thing changed; minus the unchanged recipe"
        f" on {clips} validation sentences, decided differences are bold.\n\n"
    )
    text += differences(heard) + "\n\n"
    rows = [
        [questions[name], number(cost["weights"]), number(cost["cpu_seconds_per_update"])]
        for name, cost in figures["cost"].items()
    ]
    text += table(["variant", "weights that learn", "s of CPU an update"], rows)
    pictures = {"Differences from the recipe": draw_differences(heard, clips)}
    return Section("What each part of the recipe is worth", text, found[:1], pictures)


def chains(found: Sequence[Found]) -> Section:
    """Differences of other chains from the served one."""
    record = found[0].record
    served, clips = record.samples["chains"][0], len(record.samples["clips"])
    text = (
        f"The same weights, one thing of the reverse chain changed; minus the served one"
        f" ({served['steps']} steps, {served['schedule']}, eta {served['eta']:g}) on {clips}"
        f" validation sentences, decided differences are bold.\n\n"
    )
    heard = record.figures["heard"]
    pictures = {"Differences from the served chain": draw_differences(heard, clips)}
    return Section("Other reverse chains", text + differences(heard), found[:1], pictures)
