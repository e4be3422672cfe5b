"""A comparison as tables on the terminal, as Markdown, and as figures of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlpo_bench.comparison import SIGNAL_MEASURES
from dlpo_bench.heard import ERROR_RATIO, Quality
from dlpo_bench.judging import CHARACTER_ERRORS, WORD_ERRORS
from dlpo_bench.paired import Paired

if TYPE_CHECKING:
    from rich.table import Table

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
    """System -> measure -> value and 95 % interval, for `write_record`.

    Beside them, for all but the baseline, `difference`: from which system, value, interval, p,
    number of sentences, verdict.
    """
    return {system: figures_of(quality, system) for system in quality.heard}


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
        "recognisers": {m: r.name for m, r in quality.panel.recognisers.items()},
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
            for system, heard in quality.heard.items()
        },
        "words": quality.units(WORD_ERRORS).tolist(),
        "characters": quality.units(CHARACTER_ERRORS).tolist(),
    }


def _lists(values: Mapping[str, NDArray[np.float64]]) -> dict[str, list[float | None]]:
    return {
        measure: [float(x) if np.isfinite(x) else None for x in row]
        for measure, row in values.items()
    }


def rows(quality: Quality) -> list[list[str]]:
    """A header, and for each measure its name and each system's figure with its interval."""
    estimates = {system: quality.estimates(system) for system in quality.heard}
    measures = dict.fromkeys(measure for found in estimates.values() for measure in found)
    table = [["measure", *estimates]]
    for measure in measures:
        row = [measure]
        for found in estimates.values():
            if measure not in found:
                row.append("")
                continue
            scale, unit = scale_of(measure)
            e = found[measure]
            row.append(f"{scale * e.value:.2f}{unit} [{scale * e.low:.2f}, {scale * e.high:.2f}]")
        table.append(row)
    return table


def difference_rows(quality: Quality) -> list[list[str]]:
    """The same of differences from the baseline, with p and verdict; empty without any."""
    differences = {
        system: found for system in quality.heard if (found := quality.differences(system))
    }
    if not differences:
        return []
    measures = dict.fromkeys(measure for found in differences.values() for measure in found)
    table = [[f"difference from {quality.baseline}", *differences]]
    for measure in measures:
        row = [measure]
        for found in differences.values():
            row.append(_difference(measure, found[measure]) if measure in found else "")
        table.append(row)
    return table


def _difference(measure: str, paired: Paired) -> str:
    scale, unit = scale_of(measure)
    d = paired.difference
    p = f"p {paired.p:.3f}" if paired.p >= 0.001 else "p < 0.001"
    interval = f"[{scale * d.low:+.2f}, {scale * d.high:+.2f}]"
    return f"{scale * d.value:+.2f}{unit} {interval}\n{p}, {verdict(measure, paired)}"


def scale_of(measure: str) -> tuple[float, str]:
    """What a measure is multiplied by to be shown, and the unit behind it."""
    return (100, " %") if is_rate(measure) else (1, "")


def caption(quality: Quality) -> str:
    """What the figures are, which judges are missing, and what went wrong."""
    level = "at the level of the recordings" if quality.matched else "at their own levels"
    takes = max(len(heard.takes) for heard in quality.heard.values())
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


def terminal_tables(quality: Quality) -> list[Table]:
    """For rich's console: figures, and differences where there are any."""
    from rich.table import Table

    tables = []
    for header, *body in filter(None, (rows(quality), difference_rows(quality))):
        table = Table()
        for i, column in enumerate(header):
            table.add_column(column, justify="right" if i else "left")
        for row in body:
            table.add_row(*row)
        tables.append(table)
    tables[-1].caption, tables[-1].caption_justify = caption(quality), "left"
    return tables


def markdown(quality: Quality, pictures: Sequence[str] = ()) -> str:
    """Markdown tables with their caption, and pictures by their file names."""
    parts = [markdown_table(t) for t in (rows(quality), difference_rows(quality)) if t]
    parts += [caption(quality).replace("\n", "  \n")]
    parts += [f"![{name}]({name})" for name in pictures]
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Sequence[Sequence[str]]) -> str:
    """Rows, the header first, as Markdown."""
    header, *body = table
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *body]
    cells = ([cell.replace("|", r"\|").replace("\n", "<br>") for cell in line] for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)
