"""The points of a learning curve, heard by the panel; an earlier record saves what it heard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dlpo.errors import DataError
from dlpo_bench.candidates import RECORDED, Candidate, Speaking, open_candidates
from dlpo_bench.clips import Clip
from dlpo_bench.comparison import evaluate
from dlpo_bench.heard import Floats, Heard, Quality, Take
from dlpo_bench.judging import Panel
from dlpo_bench.learning.points import Placed
from dlpo_bench.quality_report import figures_of, samples
from dlpo_bench.record import Measured, Record
from dlpo_bench.systems import RECORDINGS

KIND = "learning-curve"
SAME = ("sha256", "schedule", "eta", "steps")  # of a candidate: it says the same sounds


def learning_curve(
    points: Sequence[Placed],
    clips: Sequence[Clip],
    panel: Panel,
    speaking: Speaking,
    known: Record | None = None,
    on_clip: Callable[[], object] = lambda: None,
) -> Measured:
    """Judge every point and the recordings on the same sentences.

    Args:
        points: from `place`.
        clips: sentences with recordings.
        panel: who listens.
        speaking: the chain of all points, and how many noise seeds.
        known: a record of a learning curve; points of the same weights, chain, seeds and sentences
            are taken from it.
        on_clip: called after each clip of each take.

    Raises:
        CheckpointError, ConfigError, InputError, DataError: see `open_candidates`, `evaluate`.
    """
    names = [f"{point.label}={point.checkpoint}" for point in points]
    candidates = [RECORDED, *open_candidates(names, speaking)]
    about = {candidate.label: candidate.about for candidate in candidates}
    heard: dict[str, Heard] = {}
    for candidate in candidates:
        found = _known(known, candidate, clips, panel)
        if found is not None:
            heard[candidate.label] = found
    new = {c.label: c.takes for c in candidates if c.label not in heard}
    quality = Quality(clips, {}, panel, None, [], [], True)
    if new:
        quality = evaluate(new, clips, panel, on_clip)
    both = heard | dict(quality.heard)
    quality = replace(quality, heard={name: both[name] for name in about}, baseline=None)
    return Measured(figures(points, quality, about), samples(quality, about))


def figures(
    points: Sequence[Placed], quality: Quality, about: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Every point's place, and its means with 95 % intervals; differences from the point before."""
    chain = about[points[0].label]
    return {
        "clips": len(quality.clips),
        "seeds": len(quality.heard[points[0].label].takes),
        **{key: chain[key] for key in ("steps", "schedule", "eta")},
        "points": [
            {
                "label": point.label,
                "after": point.after,
                "updates": point.updates,
                "hours": point.hours,
                "tuned": point.tuned,
                **point.sources,
                "measures": figures_of(replace(quality, baseline=point.after), point.label),
            }
            for point in points
        ],
        RECORDINGS: figures_of(replace(quality, baseline=None), RECORDINGS),
    }


def _known(
    record: Record | None, candidate: Candidate, clips: Sequence[Clip], panel: Panel
) -> Heard | None:
    """What an earlier record has of a candidate; None where anything differs.

    Raises:
        DataError: it is no record of a learning curve.
    """
    if record is None:
        return None
    if record.kind != KIND:
        raise DataError(f"the known record is of kind {record.kind!r}; expected {KIND!r}")
    had = record.samples
    same_clips = had["clips"] == [c.clip_id for c in clips] and had["texts"] == [
        c.text for c in clips
    ]
    recognisers = {m: r.name for m, r in panel.recognisers.items()}
    if not same_clips or had["recognisers"] != recognisers:
        return None
    for system in had["systems"].values():
        about = system["about"]
        same = about["kind"] == candidate.about["kind"] and all(
            about.get(key) == candidate.about.get(key) for key in SAME
        )
        judged = {judge.name for judge in panel.judges} <= system["values"].keys()
        if same and judged and len(system["takes"]) == len(candidate.takes):
            return Heard([_take(take) for take in system["takes"]])
    return None


def _take(kept: Mapping[str, Any]) -> Take:
    return Take(
        {measure: _floats(values) for measure, values in kept["values"].items()},
        kept["transcripts"],
        {measure: _floats(errors) for measure, errors in kept["errors"].items()},
    )


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)
