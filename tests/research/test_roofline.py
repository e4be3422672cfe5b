"""The roofline: peaks, shares, layers under the roof."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from research.profile import NodeTime
from research.roofline import layers, measure_roofline, take_turns


class Clock:
    """Each reading is as much later as was said."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_turn_counts_its_quickest_run_and_not_its_first() -> None:
    clock, durations = Clock(), iter([9.0, 0.03, 0.01, 0.02])

    def run() -> None:
        clock.now_s += next(durations)

    found = take_turns({"one": run}, rounds=1, clock=clock)

    assert found["one"].samples == pytest.approx([10.0])  # 30 + 10 ms fill a turn of 40


def test_contestants_take_turns_and_none_always_follows_the_same() -> None:
    clock, order = Clock(), []

    def runs(name: str) -> Any:
        def run() -> None:
            order.append(name)
            clock.now_s += 1.0

        return run

    take_turns({name: runs(name) for name in "abc"}, rounds=3, clock=clock)

    assert "".join(order[::2]) == "abcbcacab"  # each turn is a run that does not count and one


def node(layer: str, kind: str, ms: float, mac: int, traffic: int) -> NodeTime:
    return NodeTime(kind, kind, layer, ms, mac, traffic)


def test_layers_are_bound_by_the_peak_or_by_memory() -> None:
    roof: Any = {"int8": SimpleNamespace(rate=400.0), "memory": SimpleNamespace(rate=20.0)}
    nodes = (
        node("dense", "QLinearConv", 2.0, 300_000_000, 5_000_000),
        node("dense", "Add", 1.0, 0, 1_000_000),
        node("thin", "QLinearConv", 1.0, 5_000_000, 1_000_000),
        node("sampler", "Add", 9.0, 0, 1_000_000),
    )

    dense, thin = layers(SimpleNamespace(nodes=nodes), roof, "int8")  # type: ignore[arg-type]

    assert dense["layer"] == "dense"
    assert dense["intensity"] == pytest.approx(100)  # 0.6 GOP over 6 MB
    assert dense["bound_gop_per_s"] == 400
    assert dense["gop_per_s"] == pytest.approx(200)  # 0.6 GOP in 3 ms
    assert dense["share_of_bound"] == pytest.approx(0.5)
    assert dense["multiplying_gop_per_s"] == pytest.approx(300)  # the addition left out
    assert dense["largest_kinds"] == [("QLinearConv", 2.0), ("Add", 1.0)]
    assert thin["bound_gop_per_s"] == pytest.approx(200)  # 10 operations a byte, 20 GB/s


def test_a_run_has_all_figures_and_no_more_than_it_measured(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("research.roofline.TURN_S", 0.0)
    monkeypatch.setattr("research.roofline.PROFILE_S", 0.0)
    monkeypatch.setattr("research.roofline.SMALLEST", 2**20)
    monkeypatch.setattr("research.roofline.BEYOND", 0)
    monkeypatch.setattr("research.roofline.PRODUCTS", (64,))
    monkeypatch.setattr("research.roofline.CONVOLUTIONS", ((16, 32),))

    run = measure_roofline(str(tiny_bundle), [8], steps=2, rounds=3)

    figures = run.figures
    assert {"fp32", "int8", "memory", "cache"} <= set(figures["peaks"])
    graph = figures["graphs"]["denoiser_2 int8, 8 frames"]
    assert graph["gop"] <= graph["executed_gop"]
    rate = figures["peaks"]["int8"]["rate"]
    assert graph["share"] == pytest.approx(graph["gop"] / graph["least_ms"] * 1e3 / rate)
    assert len(run.samples["graphs"]["denoiser_2 int8, 8 frames"]["graph_ms"]) == 3
    for layer in figures["layers"]["denoiser_2 int8, 8 frames"]:
        assert layer["gop"] > 0
        assert np.isfinite(layer["share_of_bound"])
