"""An evaluation as the command line asks for it: named systems, chosen sentences and judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlpo.errors import UsageError
from dlpo_bench.clips import SPLITS, Clip, clips_of_texts, load_clips
from dlpo_bench.endings import KINDS
from dlpo_bench.eval import compare, figures, figures_by_kind, samples
from dlpo_bench.panel import load_panel
from dlpo_bench.record import Measured
from dlpo_bench.systems import (
    RECORDED,
    SpeakingOptions,
    System,
    names_in_folders,
    only_bundle,
    open_systems,
)


@dataclass(frozen=True, slots=True)
class SentenceChoice:
    """What the systems speak."""

    corpus: Path
    """with the texts of `split`, and the recordings"""
    split: str = "test"
    texts: Path | None = None
    """file of lines to speak instead, which have no recordings"""
    clips: int | None = None
    """only the first ones"""
    recordings: bool = True
    """also judge the speaker's"""


@dataclass(frozen=True, slots=True)
class Judges:
    """Who judges; see `load_panel`."""

    weights: Path
    whisper: Sequence[Path] = ()
    utmos: Path | None = None
    speaker: Path | None = None
    """weights of the speaker encoder"""
    only: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class EvaluationOrder:
    """What is judged, by whom."""

    systems: Sequence[str]
    speaking: SpeakingOptions
    sentences: SentenceChoice
    judges: Judges
    baseline: str | None = None
    """label of the system that the others are compared with; None: the first"""
    match: bool = True
    """give clips their recordings' level, and equal pauses at the ends"""
    wavs: Path | None = None
    """directory for what the judges hear"""


def evaluate_systems(order: EvaluationOrder) -> tuple[str, Measured]:
    """Judge the systems and print the tables.

    Returns:
        The kind of a record, and what goes into it.

    Raises:
        UsageError: another chain is asked for, and no system can have one.
        Also what opening systems, loading judges and `compare` raise.
    """
    systems = open_systems(order.systems, order.speaking)
    baseline = order.baseline or systems[0].label
    chained = (order.speaking.schedule, order.speaking.eta) != (None, None)
    if chained and all(system.about["kind"] != "checkpoint" for system in systems):
        only = "only checkpoints take another chain; a bundle's is part of its graphs"
        raise UsageError(f"--schedule, --eta: {only}")
    if order.sentences.recordings and order.sentences.texts is None:
        systems = [RECORDED, *systems]
    clips = _clips(order.sentences, systems)
    judges = order.judges
    speaker = (judges.speaker, order.sentences.corpus) if judges.speaker else None
    kinds = {clip.kind for clip in clips if clip.kind}
    ends = bool(kinds) and kinds <= KINDS.keys()
    panel = load_panel(judges.weights, judges.whisper, judges.utmos, speaker, judges.only, ends)
    quality = compare(systems, clips, panel, baseline=baseline, match=order.match, wavs=order.wavs)
    about = {system.label: system.about for system in systems}
    measured = Measured(
        figures_by_kind(quality) if kinds else figures(quality),
        samples(quality, about),
        bundle_sha256=only_bundle(about.values()),
    )
    return "endings" if ends else "kinds" if kinds else "quality", measured


def _clips(asked: SentenceChoice, systems: Sequence[System]) -> list[Clip]:
    """The sentences that every system can speak."""
    lines = clips_of_texts(asked.texts) if asked.texts is not None else []
    names = [clip.clip_id for clip in lines] or SPLITS[asked.split]
    chosen = names_in_folders(systems, names)[: asked.clips]
    return [clip for clip in lines if clip.clip_id in chosen] or load_clips(asked.corpus, chosen)
