"""The section on the limit, and its picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from dlpo_bench.record import Record
from dlpo_bench.report.loglog import LogScene, Roof, Spot, decades, draw_log_scenes
from dlpo_bench.report.roofline import roofline
from dlpo_bench.report.sections import Found
from dlpo_bench.roofline.text import DENOISER, PYTHON, lines

SVG = "{http://www.w3.org/2000/svg}"
GRAPH = {
    "graph": "denoiser_3", "precision": "int8", "frames": 156, "served": True, "audio_s": 2.1,
    "gop": 9.3, "executed_gop": 9.8, "least_ms": 40.0, "median_ms": 41.0, "deviation_ms": 0.5,
    "nodes_ms": 39.0, "gop_per_s": 232.5, "peak": "int8", "share": 0.5,
    "share_of_medians": {"value": 0.5, "interval_95": [0.48, 0.52]},
}  # fmt: skip
LAYER = {
    "layer": "up.0.enter", "ms": 3.0, "gop": 0.9, "traffic_mb": 9.0, "intensity": 100.0,
    "gop_per_s": 300.0, "bound_gop_per_s": 450.0, "share_of_bound": 0.67, "multiplying_ms": 2.0,
    "multiplying_gop_per_s": 430.0, "largest_kinds": [["QLinearConv", 2.0], ["Add", 1.0]],
}  # fmt: skip
NAME = "denoiser_3 int8, 156 frames"


def figures(**changed: Any) -> dict[str, Any]:
    peak = {"rate": 450.0, "median_rate": 440.0, "by": "a product"}
    return {
        "peaks": {"int8": peak, "memory": {**peak, "rate": 30.0}},
        "gpu_peaks": {},
        "gpu_graphs": {},
        "graphs": {NAME: GRAPH, "denoiser_3 int8, 64 frames": {**GRAPH, "served": False}},
        "layers": {NAME: [LAYER, {**LAYER, "layer": "patch_out", "intensity": 2.0}]},
        "operators": {NAME: [{"operator": "Add", "ms": 1.0, "share": 0.2, "gop_per_s": 0.0}]},
        "python": {
            "text": {"share": 0.12, "audio_s": 51.0, "calls": 3, "processor_ms_per_s": 30.0,
                     "python_ms_per_s": 3.6}
        },
        "places": {
            "text": [{"place": "draws noise", "where": "a.B", "ms_per_s": 0.6, "share": 0.02}]
        },
        "skipped": {"gpu": "there is none"},
        "machine": {},
        **changed,
    }  # fmt: skip


def found(content: dict[str, Any]) -> list[Found]:
    record = Record(
        1, "roofline", "dlpo bench roofline", "2026-01-01T00:00:00+00:00", {"cpu": "Abacus"}, {},
        None, None, content, {},
    )  # fmt: skip
    return [Found(Path("roofline-1.json"), record)]


def test_the_section_begins_with_what_was_asked_for() -> None:
    section = roofline(found(figures()))

    rows = [line for line in section.text.splitlines() if line.startswith("| share of the int8")]
    assert rows == [
        "| share of the int8 peak, denoiser_3 int8, 156 frames, as served"
        " | 50 % | 40 % | 60 % | floor |"
    ]
    assert "| Python's share of a stream, text of 51 s | 12 % | 15 % | 5 % | floor |" in (
        section.text
    )
    assert "draws noise (`a.B`)" in section.text
    assert "- skipped gpu: there is none" in section.text


def test_without_streams_nothing_is_said_of_python() -> None:
    section = roofline(found(figures(python={}, places={})))

    assert "Python" not in section.text
    assert list(section.pictures) == ["Layers under the roof"]


def test_a_gpu_has_rows_of_its_own() -> None:
    peak = {"rate": 9e5, "median_rate": 8e5, "by": "torch fp16 product 8192"}

    graph = {"frames": 64, "gop": 3.8, "least_ms": 1.0, "median_ms": 1.2, "deviation_ms": 0.1,
             "gop_per_s": 3800.0, "peak": "fp16", "share": 0.0042}  # fmt: skip
    changed = {"gpu_peaks": {"fp16": peak}, "gpu_graphs": {"denoiser_3 on cuda fp16": graph}}

    section = roofline(found(figures(**changed)))

    assert "| GPU, fp16 | 900,000 GOP/s | 800,000 GOP/s | torch fp16 product 8192 |" in section.text
    assert "| denoiser_3 on cuda fp16 | 1 | 1.20 | 3,800 | fp16: 0.4 % |" in section.text


def test_the_terminal_says_the_same() -> None:
    text = "\n".join(lines(figures()))

    assert "as served | 50 % | 40 % | 60 % | floor" in text
    assert "skipped gpu: there is none" in text


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (DENOISER, 0.39, "no"), (DENOISER, 0.4, "floor"), (DENOISER, 0.6, "aim"),
        (PYTHON, 0.16, "no"), (PYTHON, 0.15, "floor"), (PYTHON, 0.05, "aim"),
    ],
)  # fmt: skip
def test_targets_tell_floor_from_aim(target: Any, value: float, verdict: str) -> None:
    assert target.verdict(value) == verdict


def circles(svg: str) -> list[tuple[float, float]]:
    root = ElementTree.fromstring(svg)
    return [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in root.iter(f"{SVG}circle")]


def test_equal_factors_are_equal_distances() -> None:
    spots = [Spot(x, y, "") for x, y in ((1, 1), (10, 10), (100, 100))]
    svg = draw_log_scenes("x", [LogScene("x", "a", "b", [Roof(100, 10, "memory")], spots)])

    (x1, y1), (x2, y2), (x3, y3) = circles(svg)

    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)


def test_the_roof_bends_where_memory_meets_the_peak() -> None:
    spots = [Spot(10, 100, "the corner"), Spot(1000, 1, ""), Spot(0.1, 1, "")]
    svg = draw_log_scenes("x", [LogScene("x", "a", "b", [Roof(100, 10, "memory")], spots)])

    line = next(ElementTree.fromstring(svg).iter(f"{SVG}polyline")).get("points", "").split()
    start, corner, end = (tuple(map(float, point.split(","))) for point in line)

    assert corner == pytest.approx(circles(svg)[0], abs=0.2)
    assert start == pytest.approx(circles(svg)[2], abs=0.2)
    assert end[1] == corner[1]


def test_names_and_numbers_of_close_dots_do_not_cover_each_other() -> None:
    spots = [Spot(50, 50, name) for name in ("one", "two", "three")] + [Spot(1, 1, "")]
    svg = draw_log_scenes("x", [LogScene("x", "a", "b", [Roof(100, 10, "memory")], spots)])

    texts = list(ElementTree.fromstring(svg).iter(f"{SVG}text"))
    for wanted in ({"1: one", "2: two", "3: three"}, {"1", "2", "3"}):
        found = [
            text for text in texts if text.text in wanted and "soft" not in text.get("class", "")
        ]
        assert {text.text for text in found} == wanted
        assert len({(text.get("x"), text.get("y")) for text in found}) == len(wanted)


def test_a_single_value_still_has_an_axis() -> None:
    assert decades(10, 10) == [1, 2]
    assert decades(0.5, 2000) == [-1, 0, 1, 2, 3, 4]
