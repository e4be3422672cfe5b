"""The figures of a roofline record as tables: the same on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlpo_bench.report.tables import number, table

Figures = Mapping[str, Any]
COSTLIEST = 5  # places that are named
MOST_LAYERS = 12
PEAK_WORDS = {
    "fp32": "fp32", "tf32": "tf32", "bf16": "bf16", "fp16": "fp16", "int8": "int8",
    "memory": "memory", "cache": "memory that lies in a cache",
}  # fmt: skip
BYTES = ("memory", "cache")  # their rates are GB/s, the others' GOP/s


@dataclass(frozen=True, slots=True)
class Target:
    """What issue 6 asks for."""

    floor: float
    aim: float
    more_is_better: bool

    def verdict(self, value: float) -> str:
        """aim, floor or no."""
        sign = 1 if self.more_is_better else -1
        for words, limit in (("aim", self.aim), ("floor", self.floor)):
            if sign * value >= sign * limit:
                return words
        return "no"


DENOISER = Target(0.4, 0.6, more_is_better=True)
PYTHON = Target(0.15, 0.05, more_is_better=False)


def targets(figures: Figures) -> str:
    """The served denoiser's share of the int8 peak, and Python's share, beside floor and aim."""
    rows = []
    for name in served_denoisers(figures):
        graph = figures["graphs"][name]
        if graph["peak"] == "int8":
            words = f"share of the int8 peak, {name}, as served"
            rows.append(_target_row(words, graph["share"], DENOISER))
    for name, python in figures["python"].items():
        words = f"Python's share of a stream, {name} of {number(python['audio_s'], 2)} s"
        rows.append(_target_row(words, python["share"], PYTHON))
    return table(["measure", "measured", "floor", "aim", "reached"], rows)


def peaks(figures: Figures) -> str:
    """What a core, and a GPU where there is one, does at most."""
    rows = [
        [f"{where}{PEAK_WORDS[kind]}", _rate(kind, peak["rate"]), _rate(kind, peak["median_rate"]),
         peak["by"]]
        for where, found in (("", figures["peaks"]), ("GPU, ", figures["gpu_peaks"]))
        for kind, peak in found.items()
    ]  # fmt: skip
    return table(["peak of one core", "at best", "median", "by"], rows)


def graphs(figures: Figures) -> str:
    """What share of the peak each whole graph reaches."""
    rows = []
    for name, graph in figures["graphs"].items():
        low, high = graph["share_of_medians"]["interval_95"]
        rows.append([
            f"{name}{', as served' if graph['served'] else ''}",
            number(graph["least_ms"]), number(graph["median_ms"]),
            number(graph["deviation_ms"], 2), number(graph["gop"]),
            number(graph["gop_per_s"]), f"{graph['peak']}: {100 * graph['share']:.0f} %",
            f"{100 * low:.0f} to {100 * high:.0f} %",
        ])  # fmt: skip
    header = ["graph", "least, ms", "median, ms", "deviation, ms", "GOP", "GOP/s",
              "share of the peak", "of medians, 95 %"]  # fmt: skip
    return table(header, rows)


def gpu_graphs(figures: Figures) -> str:
    """What share of the GPU's peak the denoiser reaches on each engine."""
    rows = [
        [name, number(one["least_ms"]), number(one["median_ms"]), number(one["gop_per_s"]),
         f"{one['peak']}: {100 * one['share']:.1f} %"]
        for name, one in figures["gpu_graphs"].items()
    ]  # fmt: skip
    header = ["on the GPU", "least, ms", "median, ms", "GOP/s", "share of the peak"]
    return table(header, rows)


def layers(figures: Figures, name: str) -> str:
    """The layers of one graph that take most."""
    found = figures["layers"][name]
    rows = [
        [one["layer"], number(one["ms"]), number(one["gop"]), number(one["intensity"]),
         number(one["gop_per_s"]), f"{100 * one['share_of_bound']:.0f} %",
         number(one["multiplying_gop_per_s"]), _largest(one["largest_kinds"])]
        for one in found[:MOST_LAYERS]
    ]  # fmt: skip
    header = ["layer", "ms", "GOP", "operations a byte", "GOP/s", "of its bound",
              "GOP/s while it multiplies", "operators, ms"]  # fmt: skip
    return table(header, rows)


def operators(figures: Figures, name: str) -> str:
    """The kinds of operator of one graph that take most."""
    rows = [
        [one["operator"], number(one["ms"]), f"{100 * one['share']:.1f} %",
         number(one["gop_per_s"]) if one["gop_per_s"] else ""]
        for one in figures["operators"][name][:MOST_LAYERS]
    ]  # fmt: skip
    return table(["operator", "ms", "share of the time", "GOP/s"], rows)


def python(figures: Figures) -> str:
    """Processor time for a second of audio, in the run-time and outside."""
    rows = [
        [f"{name}, {number(one['audio_s'], 2)} s", number(one["processor_ms_per_s"]),
         number(one["processor_ms_per_s"] - one["python_ms_per_s"]),
         number(one["python_ms_per_s"]), f"{100 * one['share']:.1f} %"]
        for name, one in figures["python"].items()
    ]  # fmt: skip
    header = ["stream", "processor, ms a second", "run-time", "outside", "share outside"]
    return table(header, rows)


def places(figures: Figures) -> str:
    """The costliest places outside the run-time, by the longest text."""
    found: Mapping[str, Sequence[Mapping[str, Any]]] = figures["places"]
    names = list(found)
    rows = []
    for one in found[names[-1]][:COSTLIEST]:
        cells = [f"{one['place']} {_code(one['where'])}".strip()]
        for name in names:
            same = next(other for other in found[name] if other["place"] == one["place"])
            cells.append(f"{number(same['ms_per_s'])} ({100 * same['share']:.1f} %)")
        rows.append(cells)
    return table(["place", *(f"{name}, ms a second" for name in names)], rows)


def shown_graph(figures: Figures) -> str:
    """The graph whose layers are shown: the served denoiser in int8, else the served one."""
    served = served_denoisers(figures)
    return next((name for name in served if " int8," in name), served[-1])


def served_denoisers(figures: Figures) -> list[str]:
    """The denoiser on the window of a served chunk, in every precision."""
    return [
        name
        for name, graph in figures["graphs"].items()
        if graph["served"] and graph["graph"].startswith("denoiser")
    ]


def lines(figures: Figures) -> Iterator[str]:
    """For the terminal."""
    name = shown_graph(figures)
    yield targets(figures)
    for words, made in (
        ("peaks", peaks(figures)),
        ("graphs", graphs(figures)),
        (f"layers of {name}", layers(figures, name)),
        (f"operators of {name}", operators(figures, name)),
    ):
        yield f"\n{words}\n{made}"
    if figures["gpu_graphs"]:
        yield f"\n{gpu_graphs(figures)}"
    if figures["python"]:
        yield f"\nPython's share\n{python(figures)}\n\n{places(figures)}"
    for skipped, reason in figures["skipped"].items():
        yield f"skipped {skipped}: {reason}"


def _target_row(words: str, value: float, target: Target) -> list[str]:
    cells = [f"{100 * one:.3g} %" for one in (value, target.floor, target.aim)]
    return [words, *cells, target.verdict(value)]


def _rate(kind: str, rate: float) -> str:
    return f"{number(rate)} {'GB/s' if kind in BYTES else 'GOP/s'}"


def _largest(kinds: Sequence[Sequence[Any]]) -> str:
    return ", ".join(f"{kind} {number(ms, 2)}" for kind, ms in kinds)


def _code(where: str) -> str:
    return f"(`{where}`)" if where else ""
