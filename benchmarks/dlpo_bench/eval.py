"""`dlpo eval`: judges score systems; the outcome as tables, pictures and a record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import InputError
from dlpo_bench.clips import SAMPLE_RATE, SUFFIXES, Clip, Waveform
from dlpo_bench.compare import MEASURES
from dlpo_bench.judging import (
    CHARACTER_ERRORS,
    ERROR_RATIO,
    SIGNAL_MEASURES,
    WORD_ERRORS,
    JudgePanel,
    Quality,
    evaluate,
)
from dlpo_bench.plots import GRAY, VERDICT_COLORS, Interval, draw_intervals
from dlpo_bench.record import RECORDS, write_record
from dlpo_bench.statistics import Paired
from dlpo_bench.systems import Say
from dlpo_bench.tables import Block, Table, estimate, show
from dlpo_bench.tables import markdown as to_markdown

Figures = Mapping[str, Any]
"""Say -> measure -> value, interval and, except for the baseline, difference."""
UNDECIDED = "undecided"


def is_rate(measure: str) -> bool:
    """Whether it is shown in per cent: word and character errors of any recognizer."""
    return measure.startswith((WORD_ERRORS, CHARACTER_ERRORS)) and measure != ERROR_RATIO


def verdict(measure: str, difference: Paired) -> str:
    """better, worse or undecided; higher or lower where neither is good in itself."""
    if not difference.decided:
        return UNDECIDED
    more = difference.difference.value > 0
    if measure in SIGNAL_MEASURES:
        return "higher" if more else "lower"
    return "better" if more != is_rate(measure) else "worse"


def figures(quality: Quality) -> dict[str, Any]:
    """Say -> measure -> value and 95 % interval, for `write_record`.

    Beside them, for all but the baseline, `difference`: from which system, value, interval, p,
    number of sentences, verdict.
    """
    return {system: figures_of(quality, system) for system in quality.scores}


def figures_of(quality: Quality, system: str) -> dict[str, Any]:
    """The same of one system: measure -> value, interval, difference."""
    found: dict[str, Any] = {measure: e.figure for measure, e in quality.estimates(system).items()}
    for measure, d in quality.differences(system).items():
        found[measure]["difference"] = {
            "from": quality.baseline,
            **d.difference.figure,
            "p": d.p,
            "sentences": d.sentences,
            "verdict": verdict(measure, d),
        }
    return found


def samples(
    quality: Quality, about: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """What every clip got, for `write_record`: scores, transcripts, word errors; null = failed.

    Scores and word errors are means over the takes; `takes` has each where there are several.

    Args:
        about: system -> what it is.
    """
    return {
        "clips": [clip.clip_id for clip in quality.clips],
        "texts": [clip.text for clip in quality.clips],
        "baseline": quality.baseline,
        "level_matched": quality.matched,
        "recognisers": {m: r.name for m, r in quality.panel.recognizers.items()},
        "left_out": dict(quality.panel.left_out),
        "failures": [[f.system, f.clip_id, f.take, f.measure, f.reason] for f in quality.failures],
        "silent": list(quality.silent),
        "systems": {
            system: {
                "about": dict((about or {}).get(system, {})),
                "values": _lists(heard.values),
                "errors": _lists(heard.errors),
                "takes": [
                    {
                        "values": _lists(take.values),
                        "transcripts": {m: list(t) for m, t in take.transcripts.items()},
                        "errors": _lists(take.errors),
                    }
                    for take in heard.takes
                ],
            }
            for system, heard in quality.scores.items()
        },
        "words": quality.units(WORD_ERRORS).tolist(),
        "characters": quality.units(CHARACTER_ERRORS).tolist(),
    }


def _lists(values: Mapping[str, NDArray[np.float64]]) -> dict[str, list[float | None]]:
    return {
        measure: [float(x) if np.isfinite(x) else None for x in row]
        for measure, row in values.items()
    }


def means(figures: Figures) -> Table:
    """A row for each measure, a column for each system."""
    rows = [
        [
            measure,
            *(
                estimate(system[measure], percent=is_rate(measure), fixed=True)
                if measure in system
                else ""
                for system in figures.values()
            ),
        ]
        for measure in _measures(figures)
    ]
    return Table(["measure", *figures], rows)


def differences(figures: Figures) -> Table:
    """A row for each system, a column for each measure; decided differences are bold."""
    apart = {
        system: {m: value["difference"] for m, value in scores.items() if "difference" in value}
        for system, scores in figures.items()
    }
    measures = _measures(apart)
    rows = [
        [system, *(_difference(m, scores[m]) if m in scores else "" for m in measures)]
        for system, scores in apart.items()
        if scores
    ]
    return Table(["system", *measures], rows)


def draw_means(figures: Figures, clips: int) -> str:
    """An SVG document: for each measure the mean of every system with its interval."""
    panels: dict[str, list[Interval]] = {}
    for system, measures in figures.items():
        for measure, value in measures.items():
            scale = scale_of(measure)
            low, high = (scale * end for end in value["interval_95"])
            row = Interval(system, scale * value["value"], low, high)
            panels.setdefault(measure_title(measure), []).append(row)
    return draw_intervals(f"Means of {clips} clips, 95 % intervals", panels)


def draw_differences(figures: Figures, clips: int) -> str:
    """An SVG document; empty where no system is compared with another."""
    panels: dict[str, list[Interval]] = {}
    baselines = set()
    for system, measures in figures.items():
        for measure, value in measures.items():
            if "difference" not in value:
                continue
            d, scale = value["difference"], scale_of(measure)
            low, high = (scale * end for end in d["interval_95"])
            color = VERDICT_COLORS.get(d["verdict"], GRAY)
            row = Interval(system, scale * d["value"], low, high, d["verdict"], color)
            panels.setdefault(measure_title(measure), []).append(row)
            baselines.add(d["from"])
    if not panels:
        return ""
    title = f"Differences from {' and '.join(sorted(baselines))}, {clips} clips, 95 % intervals"
    return draw_intervals(title, panels, reference=0)


def measure_title(measure: str) -> str:
    """A panel's title: the measure, its unit, and which way is better."""
    if measure not in MEASURES:
        return measure
    better = "lower" if MEASURES[measure].more_is_worse else "higher"
    return f"{measure}{', %' if is_rate(measure) else ''} ({better} is better)"


def _measures(figures: Figures) -> list[str]:
    return list(dict.fromkeys(measure for system in figures.values() for measure in system))


def _difference(measure: str, d: Figures) -> str:
    words = estimate(d, percent=is_rate(measure), signed=True)
    return words if d["verdict"] == UNDECIDED else f"**{words}**"


def scale_of(measure: str) -> float:
    """What a measure is multiplied by to be shown: rates are in per cent."""
    return 100.0 if is_rate(measure) else 1.0


def caption(quality: Quality) -> str:
    """What the figures are, which judges are missing, and what went wrong."""
    level = "at the level of the recordings" if quality.matched else "at their own levels"
    takes = max(len(heard.takes) for heard in quality.scores.values())
    seeds = f", {takes} noise seeds each" if takes > 1 else ""
    lines = [
        f"{len(quality.clips)} clips{seeds}, judged {level}; mean [95 % bootstrap interval over"
        " clips]; a difference is decided where its interval leaves out 0 and p < 0.05 (sign-flip"
        " test)"
    ]
    lines += [f"{name} left out: {reason}" for name, reason in quality.panel.left_out.items()]
    failed: dict[tuple[str, str], list[str]] = {}
    for f in quality.failures:
        failed.setdefault((f.measure, f.system), []).append(f"{f.clip_id}: {f.reason}")
    lines += [
        f"{measure} failed on {len(reasons)} of {system}'s clips, the first {reasons[0]}"
        for (measure, system), reasons in failed.items()
    ]
    if quality.silent:
        lines.append(f"without a sound: {'; '.join(quality.silent)}")
    return "\n".join(lines)


def blocks(quality: Quality) -> list[Block]:
    """Means, differences where there are any, and what the figures are."""
    found = figures(quality)
    tables = [means(found), differences(found)]
    return [*(table for table in tables if table.rows), caption(quality).replace("\n", "  \n")]


def markdown(quality: Quality, pictures: Sequence[str] = ()) -> str:
    """The same in Markdown, and pictures by their file names."""
    return to_markdown([*blocks(quality), *(f"![{name}]({name})" for name in pictures)]) + "\n"


def compare(
    systems: Mapping[str, Say | Sequence[Say]],
    clips: Sequence[Clip],
    panel: JudgePanel,
    *,
    baseline: str | None = None,
    match: bool = True,
    wavs: Path | None = None,
) -> Quality:
    """Evaluate with a progress bar and print the tables.

    Args:
        systems: name -> system, or its takes; see `dlpo_bench.systems`.
        clips: see `load_clips` and `clips_of_texts`.
        panel: see `load_panel`.
        baseline, match: see `evaluate`.
        wavs: directory to write what the judges hear to, as `<system>/<clip id>.wav`.

    Raises:
        InputError: see `evaluate`; or `wavs` can't be written.
        DataError: a recording or a wav is missing or damaged.
    """
    from rich.console import Console
    from rich.progress import Progress

    def keep(system: str, take: int, clip: Clip, waveform: Waveform) -> None:
        if wavs is not None:
            write_heard(wavs, system, take, clip, waveform)

    takes = sum(len(s) if isinstance(s, Sequence) else 1 for s in systems.values())
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("listening", total=takes * len(clips))
        quality = evaluate(
            systems,
            clips,
            panel,
            lambda: bar.advance(task),
            baseline=baseline,
            match=match,
            keep=keep,
        )
    show(blocks(quality))
    return quality


def write_heard(directory: Path, system: str, take: int, clip: Clip, waveform: Waveform) -> None:
    """Write one waveform as it was judged, float32, to `<system>/<clip id>.wav`.

    Further takes go to `<system>, seed 1` and so on. In names of folders `_` stands for what some
    file systems don't take.

    Raises:
        InputError: it can't be written.
    """
    import soundfile

    name = re.sub(r'[/\\:*?"<>|]', "_", system + (f", seed {take}" if take else ""))
    path = directory / name / f"{clip.clip_id}.wav"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, waveform, SAMPLE_RATE, subtype="FLOAT")
    except (OSError, soundfile.SoundFileError) as error:
        raise InputError(f"can't write {path} ({error}); choose another --wavs") from error


def write_quality_record(
    quality: Quality,
    command: str,
    out_dir: Path = RECORDS,
    bundle_sha256: str | None = None,
    about: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write the record, and beside it the same tables in Markdown and their pictures as SVG.

    Args:
        about: system -> what it is, see `System`.

    Raises:
        InputError: see `write_record`; or a file can't be written.
    """
    path = write_record(
        "quality",
        figures(quality),
        command,
        out_dir,
        samples=samples(quality, about),
        bundle_sha256=bundle_sha256,
    )
    found, count = figures(quality), len(quality.clips)
    pictures = {"means": draw_means(found, count)}
    if len(quality.scores) > 1 and quality.baseline is not None:
        pictures["differences"] = draw_differences(found, count)
    files = {f"{path.stem}-{name}.svg": picture for name, picture in pictures.items()}
    files[f"{path.stem}.md"] = markdown(quality, list(files))
    try:
        for name, text in files.items():
            (path.parent / name).write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"can't write the tables to {out_dir}: {error.strerror}") from error
    return path


def clips_in_common(directories: Sequence[Path]) -> list[str]:
    """Sorted names of the clips that each directory has as `<clip id>.wav` or `.flac`.

    Raises:
        InputError: something is no directory, or there is no such clip.
    """
    for directory in directories:
        if not directory.is_dir():
            raise InputError(f"{directory} is no directory; expected wavs named by clip")
    names = [
        {path.stem for path in directory.iterdir() if path.suffix in SUFFIXES}
        for directory in directories
    ]
    common = sorted(set.intersection(*names))
    if not common:
        raise InputError(
            f"{', '.join(map(str, directories))} have no clip in common;"
            " expected files like LJ002-0161.wav"
        )
    return common
