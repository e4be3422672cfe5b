"""An evaluation as the command line asks for it: named systems, chosen sentences and judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from dlpo.errors import UsageError
from dlpo.rl.options import OWN_CHAIN
from dlpo_bench.clips import SPLITS, Clip, clips_of_texts, load_clips
from dlpo_bench.endings import KINDS
from dlpo_bench.eval import figures, figures_by_kind, markdown, samples, write_judged
from dlpo_bench.judging import JudgePanel, SystemScores, check_baseline, judge_system, together
from dlpo_bench.options import EvaluationOptions, SentenceChoice
from dlpo_bench.panel import load_panel
from dlpo_bench.record import Measured
from dlpo_bench.systems import RECORDED, System, names_in_folders, only_bundle, open_systems
from dlpo_bench.tables import show


def evaluate_systems(options: EvaluationOptions) -> tuple[str, Measured]:
    """Judge the systems and print the tables.

    Returns:
        The kind of a record, and what goes into it.

    Raises:
        UsageError: another chain is asked for, and no system can have one.
        Also what opening systems, loading judges and `evaluate` raise.
    """
    systems = _systems(options)
    baseline = options.baseline or next(s.label for s in systems if s is not RECORDED)
    chained = options.speaking.chain != OWN_CHAIN
    if chained and all(system.about["kind"] != "checkpoint" for system in systems):
        only = "only checkpoints take another chain; a bundle's is part of its graphs"
        raise UsageError(f"--schedule, --eta: {only}")
    about = {system.label: system.about for system in systems}
    check_baseline(baseline, about)
    clips = _clips(options.sentences, systems)
    panel = _panel(options, clips)
    judged = dict(zip(about, _judged(options, systems, clips, panel), strict=True))
    quality = together(judged, clips, panel, baseline=baseline, match=options.match)
    show(markdown(quality))
    kinds = bool(quality.kinds)
    measured = Measured(
        figures_by_kind(quality) if kinds else figures(quality),
        samples(quality, about),
        bundle_sha256=only_bundle(about.values()),
    )
    return "endings" if _have_endings(clips) else "kinds" if kinds else "quality", measured


def _systems(options: EvaluationOptions) -> list[System]:
    systems = open_systems(options.systems, options.speaking)
    recorded = options.sentences.recordings and options.sentences.texts is None
    return [RECORDED, *systems] if recorded else systems


def _have_endings(clips: Sequence[Clip]) -> bool:
    """Whether the kinds of the clips are those of sentences whose ends are measured."""
    kinds = {clip.kind for clip in clips if clip.kind}
    return bool(kinds) and kinds <= KINDS.keys()


def _panel(options: EvaluationOptions, clips: Sequence[Clip]) -> JudgePanel:
    judges = options.judges
    speaker = (judges.speaker, options.sentences.corpus) if judges.speaker else None
    ends = _have_endings(clips)
    return load_panel(judges.weights, judges.whisper, judges.utmos, speaker, judges.only, ends)


def _judged(
    options: EvaluationOptions, systems: Sequence[System], clips: Sequence[Clip], panel: JudgePanel
) -> list[SystemScores]:
    """Each system, here behind a progress bar, or in processes of their own."""
    if options.jobs > 1:
        with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
            return list(pool.map(partial(_judge_alone, options, clips), range(len(systems))))
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("judging", total=sum(len(one.takes) for one in systems) * len(clips))
        return [_judge(options, one, clips, panel, lambda: bar.advance(task)) for one in systems]


def _judge_alone(options: EvaluationOptions, clips: Sequence[Clip], place: int) -> SystemScores:
    """One of the systems, by its place, in a process of its own with its own judges."""
    import torch

    torch.set_num_threads(1)
    return _judge(options, _systems(options)[place], clips, _panel(options, clips))


def _judge(
    options: EvaluationOptions, system: System, clips: Sequence[Clip], panel: JudgePanel,
    on_clip: Callable[[], object] = lambda: None,
) -> SystemScores:  # fmt: skip
    return judge_system(
        system.label, system.takes, clips, panel, on_clip, match=options.match,
        keep=partial(write_judged, options.wavs),
    )  # fmt: skip


def _clips(asked: SentenceChoice, systems: Sequence[System]) -> list[Clip]:
    """The sentences that every system can speak."""
    lines = clips_of_texts(asked.texts) if asked.texts is not None else []
    names = [clip.clip_id for clip in lines] or SPLITS[asked.split]
    chosen = names_in_folders(systems, names)[: asked.clips]
    return [clip for clip in lines if clip.clip_id in chosen] or load_clips(asked.corpus, chosen)
