"""The section on the limit: peaks, graphs under the roof, and Python's share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlpo_bench.report.loglog import LogScene, Roof, Spot, draw_log_scenes
from dlpo_bench.report.sections import Found, Section
from dlpo_bench.roofline import text

NAMED = 6  # layers with their name in a picture


def roofline(found: Sequence[Found]) -> Section:
    """One core's peaks, what each graph reaches of them, and what Python costs."""
    figures = found[0].record.figures
    name = text.shown_graph(figures)
    parts = [
        "What the words mean: [bench-roofline.md](bench-roofline.md).",
        text.targets(figures),
        text.peaks(figures),
        text.graphs(figures),
        *([text.gpu_graphs(figures)] if figures["gpu_graphs"] else []),
        f"Layers of {name}:",
        text.layers(figures, name),
        f"Operators of {name}:",
        text.operators(figures, name),
    ]
    if figures["python"]:
        parts += [
            "Processor time of the server for a second of streamed audio, and the"
            f" {text.COSTLIEST} costliest places outside the run-time:",
            text.python(figures),
            text.places(figures),
        ]
    if figures["skipped"]:
        parts.append("\n".join(f"- skipped {k}: {why}" for k, why in figures["skipped"].items()))
    seen = "Layers under the roof"
    scenes = [_scene(figures, one) for one in text.served_denoisers(figures)]
    pictures = {seen: draw_log_scenes(seen, scenes)}
    return Section("The limit", "\n\n".join(parts), found[:1], pictures)


def _scene(figures: Mapping[str, Any], name: str) -> LogScene:
    graph, peaks = figures["graphs"][name], figures["peaks"]
    roofs = [
        Roof(peaks[graph["peak"]]["rate"], peaks[kind]["rate"], words)
        for kind, words in (("memory", "memory"), ("cache", "cache"))
        if kind in peaks
    ]
    spots = [
        Spot(one["intensity"], one["gop_per_s"], one["layer"] if index < NAMED else "")
        for index, one in enumerate(figures["layers"][name])
    ]
    title = f"{name}: {100 * graph['share']:.0f} % of the {graph['peak']} peak"
    return LogScene(title, "operations a byte", "GOP/s", roofs, spots)
