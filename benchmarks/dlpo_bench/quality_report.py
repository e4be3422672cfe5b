"""A comparison as a table on the terminal, as Markdown, and as figures of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlpo_bench.comparison import Quality
from dlpo_bench.judging import WORD_ERRORS

if TYPE_CHECKING:
    from rich.table import Table

PER_CENT = (WORD_ERRORS,)


def figures(quality: Quality) -> dict[str, Any]:
    """System -> measure -> value and 95 % interval, for `write_record`."""
    return {
        system: {
            measure: {"value": e.value, "interval_95": [e.low, e.high]}
            for measure, e in quality.estimates(system).items()
        }
        for system in quality.heard
    }


def samples(quality: Quality) -> dict[str, Any]:
    """What every clip got, for `write_record`: ids, scores, transcripts."""
    return {
        "clips": [clip.clip_id for clip in quality.clips],
        "left_out": dict(quality.panel.left_out),
        "systems": {
            system: {
                "values": {measure: values.tolist() for measure, values in heard.values.items()},
                "transcripts": list(heard.transcripts),
                "word_errors": [[c.errors, c.words] for c in heard.word_errors],
            }
            for system, heard in quality.heard.items()
        },
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
            scale, unit = (100, " %") if measure in PER_CENT else (1, "")
            e = found[measure]
            row.append(f"{scale * e.value:.2f}{unit} [{scale * e.low:.2f}, {scale * e.high:.2f}]")
        table.append(row)
    return table


def caption(quality: Quality) -> str:
    """What the figures are, and which judges are missing."""
    lines = [f"{len(quality.clips)} clips; mean [95 % bootstrap interval over clips]"]
    lines += [f"{name} left out: {reason}" for name, reason in quality.panel.left_out.items()]
    return "\n".join(lines)


def terminal_table(quality: Quality) -> Table:
    """For rich's console."""
    from rich.table import Table

    header, *body = rows(quality)
    table = Table(caption=caption(quality), caption_justify="left")
    for i, column in enumerate(header):
        table.add_column(column, justify="right" if i else "left")
    for row in body:
        table.add_row(*row)
    return table


def markdown(quality: Quality) -> str:
    """A Markdown table with its caption."""
    header, *body = rows(quality)
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *body]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{table}\n\n{caption(quality)}\n"
