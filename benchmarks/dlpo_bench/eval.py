"""`dlpo eval`: judges score systems; the results as tables and as the figures of a record."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import InputError
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform
from dlpo_bench.endings import MOVEMENT, QUESTION, RISES, title_of
from dlpo_bench.judging import CHARACTER_ERRORS, ERROR_KINDS, SIGNAL_MEASURES, WORD_ERRORS, Quality
from dlpo_bench.statistics import Paired
from dlpo_bench.tables import Figures, estimate, table

UNDECIDED = "undecided"
LEFT_TO_RECORDS = {  # measures that the benchmarks page doesn't show
    "level, dB", "mel spread, dB", "> 4 kHz, dB", "seconds", "P.835 SIG", "P.835 BAK",
    "word errors", "word errors, tiny.en", "word errors / recordings'", "character errors",
    "character errors, tiny.en",
}  # fmt: skip


def is_rate(measure: str) -> bool:
    """Whether it counts errors: words and characters of any recognizer."""
    return measure.startswith((WORD_ERRORS, CHARACTER_ERRORS))


def in_percent(measure: str) -> bool:
    """Whether it is shown in per cent: rates of errors, and shares of clips."""
    return is_rate(measure) or measure == RISES


def is_neutral(measure: str) -> bool:
    """Whether neither more nor less of it is good in itself."""
    return measure in (*SIGNAL_MEASURES, MOVEMENT, RISES) or measure.startswith(QUESTION)


def verdict(measure: str, difference: Paired) -> str:
    """better, worse or undecided; higher or lower where neither direction is good in itself."""
    if not difference.decided:
        return UNDECIDED
    more = difference.difference.value > 0
    if is_neutral(measure):
        return "higher" if more else "lower"
    return "better" if more != is_rate(measure) else "worse"


def figures(quality: Quality) -> dict[str, Any]:
    """System -> measure -> value and 95 % interval, for a record.

    All but the baseline also have `difference`: the system compared with, value, interval, p,
    number of sentences, verdict.
    """
    return {system: figures_of(quality, system) for system in quality.scores}


def figures_by_kind(quality: Quality) -> dict[str, dict[str, Any]]:
    """Kind of text -> `figures` of the clips of that kind."""
    return {kind: figures(quality.of_kind(kind)) for kind in quality.kinds}


def figures_of(quality: Quality, system: str) -> dict[str, Any]:
    """The same for one system: measure -> value, interval, difference."""
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
    """Results of every clip, for a record: scores, transcripts, word errors; null = failed.

    Scores and word errors are means over the takes; `takes` has each take if there are several.
    """
    return {
        "clips": [clip.clip_id for clip in quality.clips],
        "texts": [clip.text for clip in quality.clips],
        "kinds": [clip.kind for clip in quality.clips],
        "baseline": quality.baseline,
        "matched": quality.matched,
        "recognisers": {m: r.name for m, r in quality.panel.recognizers.items()},
        "left_out": dict(quality.panel.left_out),
        "failures": [list(failure) for failure in quality.failures],
        "silent": quality.silent,
        "systems": {
            system: {
                "about": dict((about or {}).get(system, {})),
                "values": _lists(scores.values),
                "errors": _lists(scores.errors),
                "takes": [
                    {
                        "values": _lists(take.values),
                        "transcripts": {m: list(t) for m, t in take.transcripts.items()},
                        "errors": _lists(take.errors),
                    }
                    for take in scores.takes
                ],
            }
            for system, scores in quality.scores.items()
        },
        "words": quality.units(WORD_ERRORS).tolist(),
        "characters": quality.units(CHARACTER_ERRORS).tolist(),
    }


def _lists(values: Mapping[str, NDArray[np.float64]]) -> dict[str, list[float | None]]:
    return {
        measure: [float(x) if np.isfinite(x) else None for x in row]
        for measure, row in values.items()
    }


def means(figures: Figures) -> str:
    """A row for each measure, a column for each system."""
    return _grid(
        figures, figures, lambda m, score: estimate(score, percent=in_percent(m), fixed=True)
    )


def differences(figures: Figures) -> str:
    """A row for each measure, a column for each system less the one that it is compared with;
    decided differences are bold. Empty if there are none."""
    apart = {
        system: {m: value["difference"] for m, value in scores.items() if "difference" in value}
        for system, scores in figures.items()
    }
    apart = {system: scores for system, scores in apart.items() if scores}
    heads = [f"{s} less {next(iter(scores.values()))['from']}" for s, scores in apart.items()]
    return _grid(apart, heads, _difference) if apart else ""


def judged(figures: Figures) -> str:
    """The means for the benchmarks page, without intervals and what the record alone has; bold if
    the difference from the baseline is decided."""
    kept = {
        system: {
            measure: score
            for measure, score in scores.items()
            if measure not in LEFT_TO_RECORDS and not measure.endswith(tuple(ERROR_KINDS))
        }
        for system, scores in figures.items()
    }
    return _grid(kept, figures, _mean)


def _grid(figures: Figures, heads: Iterable[str], cell: Callable[[str, Figures], str]) -> str:
    measures = dict.fromkeys(measure for system in figures.values() for measure in system)
    rows = (
        [m, *(cell(m, scores[m]) if m in scores else "" for scores in figures.values())]
        for m in measures
    )
    return table(["measure", *heads], rows)


def _difference(measure: str, d: Figures) -> str:
    words = estimate(d, percent=in_percent(measure), signed=True)
    return words if d["verdict"] == UNDECIDED else f"**{words}**"


def _mean(measure: str, score: Figures) -> str:
    value = score["value"]
    words = f"{100 * value:.2f} %" if in_percent(measure) else f"{value:.2f}"
    decided = score.get("difference", {}).get("verdict", UNDECIDED) != UNDECIDED
    return f"**{words}**" if decided else words


def caption(quality: Quality) -> str:
    """What the figures are, which judges are missing, and what went wrong."""
    level = "at equal levels and ends" if quality.matched else "at their own levels"
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
    lines += [
        f"{MOVEMENT}: {lost} of {system}'s clips have too little voice; they count as not risen"
        for system, lost in quality.without(MOVEMENT).items()
    ]
    if quality.silent:
        lines.append(f"without a sound: {'; '.join(quality.silent)}")
    return "\n".join(lines)


def markdown(quality: Quality) -> str:
    """Means, differences if there are any, of each kind of text; and what the figures are."""
    found: list[str] = []
    for kind in quality.kinds:
        of_kind = quality.of_kind(kind)
        found += [title_of(kind, len(of_kind.clips)), *_tables(of_kind)]
    if not quality.kinds:
        found += _tables(quality)
    return "\n\n".join([*found, caption(quality).replace("\n", "  \n")]) + "\n"


def _tables(quality: Quality) -> list[str]:
    found = figures(quality)
    return [one for one in (means(found), differences(found)) if one]


def write_judged(
    directory: Path | None, system: str, take: int, clip: Clip, waveform: Waveform
) -> None:
    """Write one waveform as it was judged, float32, to `<system>/<clip id>.wav`; None skips it.

    Further takes go to `<system>, seed 1` and so on. In folder names `_` replaces characters that
    some file systems reject.

    Raises:
        InputError: it can't be written.
    """
    if directory is None:
        return
    import soundfile

    name = re.sub(r'[/\\:*?"<>|]', "_", system + (f", seed {take}" if take else ""))
    path = directory / name / f"{clip.clip_id}.wav"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, waveform, SAMPLE_RATE, subtype="FLOAT")
    except (OSError, soundfile.SoundFileError) as error:
        raise InputError(f"can't write {path} ({error}); choose another --wavs") from error
