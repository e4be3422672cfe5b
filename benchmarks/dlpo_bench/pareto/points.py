"""The points of the picture: a voice before and after tuning, at every number of reverse steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlpo.bundle import Bundle
from dlpo.errors import InputError
from dlpo_bench.candidates import Speaking, open_candidates
from dlpo_bench.systems import RECORDINGS, System, recordings
from dlpo_serving.voices import find_voice

UNTUNED, TUNED, SERVED = "untuned", "tuned", "tuned int8"
PRECISION = "int8"  # of the bundle: the one that is served
STEPS = (*range(1, 9), 16, 50, 1000)
VOICE = ("sha256", "schedule", "eta")
FEWER = {1000: 2}  # clips; one of 6 s takes two minutes


@dataclass(frozen=True, slots=True)
class Point:
    """One voice at one number of steps."""

    series: str
    """`UNTUNED` and `TUNED`: checkpoints in eager PyTorch; `SERVED`: the bundle as it is served"""
    steps: int
    """0 for recordings"""
    system: System
    about: Mapping[str, Any]
    """see `Candidate`"""

    @property
    def label(self) -> str:
        """How records and tables call it."""
        return f"{self.series}, {self.steps} steps" if self.steps else self.series

    @property
    def voice(self) -> str:
        """What identifies the weights and the chain, so that nothing is kept that others said."""
        return " ".join(str(self.about[key]) for key in VOICE if key in self.about)


RECORDED_POINT = Point(RECORDINGS, 0, recordings, {"kind": "recordings"})


@dataclass(frozen=True, slots=True)
class Points:
    """All of them."""

    points: Sequence[Point]
    """by steps, so that what costs most comes last"""
    baseline: str
    """label of the one that others are compared with: the bundle at its own N where it is there"""
    skipped: Mapping[str, str]
    """label, or series -> why it isn't there"""

    @property
    def bundle_sha256(self) -> str | None:
        """Of the bundle; None where it is skipped."""
        return next((p.about["sha256"] for p in self.points if p.series == SERVED), None)


def open_points(
    untuned: Path,
    tuned: Path,
    voice: str,
    steps: Sequence[int] = STEPS,
    schedule: str | None = None,
    eta: float | None = None,
) -> Points:
    """Open both checkpoints, and the bundle where it is that of the tuned one.

    Args:
        untuned, tuned: checkpoints.
        voice: name or path of the bundle.
        steps: every N; the bundle speaks with those that it has graphs for.
        schedule, eta: of checkpoints; their own if None, see `Speaking`.

    Raises:
        InputError: no checkpoint, or no number of steps.
        CheckpointError, BundleError, EngineError: something can't be opened.
        ConfigError: an unknown schedule, eta or number of steps.
        MissingExtraError: without torch nothing of this can be measured.
    """
    chosen = tuple(sorted(set(steps)))
    if not chosen:
        raise InputError("got no number of steps; expected some, such as --steps 3")
    found = _of_checkpoint(UNTUNED, untuned, chosen, schedule, eta)
    found += _of_checkpoint(TUNED, tuned, chosen, schedule, eta)
    bundle = Bundle.load(find_voice(voice))
    served, skipped = _of_bundle(bundle, voice, chosen, found[-1].about["sha256"])
    found = sorted([*found, *served], key=lambda point: point.steps)
    return Points(found, _baseline(found, bundle.manifest.steps), skipped)


def clips_at(steps: int, clips: int, fewer: Mapping[int, int]) -> int:
    """How many clips a point says, of so many: the `fewer` of the largest N up to its own."""
    limits = [most for n, most in fewer.items() if n <= steps]
    return min([clips, *limits])


def _of_checkpoint(
    series: str, path: Path, steps: tuple[int, ...], schedule: str | None, eta: float | None
) -> list[Point]:
    candidates = open_candidates([f"{series}={path}"], Speaking(steps, (), schedule, eta))
    if any(candidate.about["kind"] != "checkpoint" for candidate in candidates):
        raise InputError(f"{path} is no checkpoint; expected a directory with checkpoint.json")
    return [Point(series, c.about["steps"], c.takes[0], c.about) for c in candidates]


def _of_bundle(
    bundle: Bundle, voice: str, steps: tuple[int, ...], checkpoint_sha256: str
) -> tuple[list[Point], dict[str, str]]:
    made_from = bundle.manifest.checkpoint.sha256
    if made_from != checkpoint_sha256:
        return [], {
            SERVED: f"bundle {voice} was exported from checkpoint {made_from[:12]}, the tuned one"
            f" is {checkpoint_sha256[:12]}; export it, or name its own checkpoint"
        }
    graphs = {n: bundle.manifest.graphs.get(f"denoiser_{n}") for n in steps}
    offered = tuple(n for n, graph in graphs.items() if graph and PRECISION in graph.files)
    absent = ", ".join(str(n) for n in steps if n not in offered)
    skipped = {}
    if absent:
        skipped[f"{SERVED}, {absent} steps"] = f"bundle {voice} has no {PRECISION} graph of them"
    if not offered:
        return [], skipped
    candidates = open_candidates([f"{SERVED}={voice}"], Speaking(offered, (PRECISION,)))
    return [Point(SERVED, c.about["steps"], c.takes[0], c.about) for c in candidates], skipped


def _baseline(points: Sequence[Point], own_steps: int) -> str:
    """The bundle before the checkpoint, its own number of steps before others."""
    tuned = [point for point in points if point.series != UNTUNED]
    return min(tuned, key=lambda p: (p.steps != own_steps, p.series != SERVED)).label
