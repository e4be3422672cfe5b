"""The graphs of a bundle on windows of several lengths: what they compute, and how quickly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dlpo.bundle import Bundle, Precision
from dlpo.errors import BundleError, InputError
from dlpo_bench.compare import compare_medians
from dlpo_bench.interleave import Spread
from dlpo_bench.roofline.kernels import GIGA, Kind, Peak
from dlpo_export.profile.inputs import sentence_inputs
from dlpo_export.profile.measure import NodeTime, Profile, measure
from dlpo_serving.engine import EncoderOutput, Engine
from dlpo_serving.engines import open_engine
from dlpo_serving.synthesis.denoiser_input import STREAM_LADDER

FRAMES = (64, 256, 1024)  # a chunk early in a stream, a sentence, a long sentence
PRECISIONS: tuple[Literal["fp32", "int8"], ...] = ("fp32", "int8")
PROFILE_S = 3.0  # that the profiler's runs of a case may take, about
FEWEST_RUNS, MOST_RUNS = 5, 30

Inputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One graph in one precision on one window."""

    graph: str
    precision: Precision
    frames: int
    audio_s: float
    """length of the window"""
    served: bool
    """the window is that of every later chunk of a stream"""
    run: Callable[[], object]
    """as the server runs it, on one thread"""

    @property
    def name(self) -> str:
        """For tables and records."""
        return f"{self.graph} {self.precision}, {self.frames} frames"


@dataclass(frozen=True, slots=True)
class Reached:
    """How near a whole graph comes to a peak."""

    gop: float
    """1e9 operations of the network; what a precision's graph computes beyond, doesn't count"""
    executed_gop: float
    """of this graph"""
    share: float
    """of the peak, both at their quickest"""
    share_of_medians: tuple[float, float, float]
    """value and 95 % bootstrap interval"""


def served_frames(bundle: Bundle, steps: int) -> int:
    """Length of the window of every later chunk of a stream, with its context."""
    manifest = bundle.manifest
    return STREAM_LADDER[-1] + 2 * manifest.context_frames(steps, manifest.precision)


def cases(bundle: Bundle, steps: int, frames: Sequence[int]) -> Iterator[Case]:
    """Every graph of the chain that speaks in `steps` steps, in fp32 and in int8 where it has that.

    Args:
        frames: lengths of windows; that of a served chunk is added.

    Raises:
        BundleError: there is no such denoiser.
        InputError: a length is below 1.
        EngineError: onnxruntime can't load a graph.
    """
    denoiser = f"denoiser_{steps}"
    if denoiser not in bundle.manifest.graphs:
        known = ", ".join(map(str, bundle.manifest.available_steps))
        raise BundleError(f"the voice has no denoiser of {steps} steps; it has those of {known}")
    if not frames or min(frames) < 1:
        raise InputError(f"frames is {list(frames)}; expected lengths of 1 or more")
    manifest = bundle.manifest
    served = served_frames(bundle, steps)
    engines = {
        precision: open_engine(bundle, "cpu", precision)
        for precision in PRECISIONS
        if precision in manifest.graphs[denoiser].files
    }
    for length in sorted({*frames, served}):
        audio_s = length * manifest.hop_length / manifest.sample_rate_hz
        for graph in ("encoder", "frames", denoiser):
            inputs, _ = sentence_inputs(bundle, graph, length)
            for precision, engine in engines.items():
                if precision in manifest.graphs[graph].files:
                    run = _run(engine, graph, steps, inputs, length)
                    yield Case(graph, precision, length, audio_s, length == served, run)


def profile(bundle: Bundle, case: Case, least_ms: float) -> Profile:
    """Where its time goes, node by node; as many runs as `PROFILE_S` allows."""
    runs = int(np.clip(PROFILE_S / (least_ms / 1e3), FEWEST_RUNS, MOST_RUNS))
    return measure(bundle, case.graph, case.precision, runs, frames=case.frames)


def reached(spread: Spread, gop: float, executed_gop: float, peak: Peak) -> Reached:
    """Compare a graph with the peak of its precision."""
    share = gop / (spread.least_ms / 1e3) / peak.rate
    # Time at the peak's median / time that it took: a ratio of two medians of independent samples.
    at_peak_ms = np.array(peak.samples_ms) * (gop / peak.work)
    ratio = compare_medians(peak.by, np.array(spread.samples_ms), at_peak_ms).ratio
    return Reached(gop, executed_gop, share, (ratio.value, ratio.low, ratio.high))


def peak_kind(precision: Precision) -> Kind:
    """The number format that most of a graph computes in."""
    return "int8" if precision == "int8" else "fp32"


def denoiser_run(engine: Engine, steps: int, inputs: Inputs) -> Callable[[], object]:
    """A window's denoising, ready to be called."""
    noise = inputs["noise"]
    source = inputs.get("source", np.zeros_like(noise[0]))  # of a voice without: nobody reads it
    return partial(engine.denoise, steps, inputs["conditioning"], source, noise)


def _run(
    engine: Engine, graph: str, steps: int, inputs: Inputs, frames: int
) -> Callable[[], object]:
    if graph == "encoder":
        return partial(engine.encode, inputs["phonemes"], inputs.get("noise"))
    if graph == "frames":
        encoding = EncoderOutput(inputs["hidden"], inputs["durations"], inputs["ranges"])
        counts = inputs["durations"][0].astype(np.int64)
        return partial(engine.frames, encoding, counts, 0, frames, 0.0)
    return denoiser_run(engine, steps, inputs)


@dataclass(frozen=True, slots=True)
class Layer:
    """All nodes of one layer, its activations and conversions included, over all reverse steps."""

    layer: str
    ms: float
    gop: float
    """1e9 operations"""
    traffic_mb: float
    intensity: float
    """operations a byte"""
    gop_per_s: float
    bound_gop_per_s: float
    """what the roof allows"""
    share_of_bound: float
    multiplying_ms: float
    """of `ms`, convolutions, products and LSTMs"""
    multiplying_gop_per_s: float
    """of these alone"""
    largest_kinds: tuple[tuple[str, float], ...]
    """operators that take most, and their ms"""


@dataclass(frozen=True, slots=True)
class OperatorShare:
    """All nodes of one kind of operator."""

    operator: str
    ms: float
    share: float
    """of the time of all nodes"""
    gop_per_s: float


LARGEST = 4  # operators that are named beside a layer


def layers(profile: Profile, roof: Mapping[Kind, Peak], kind: Kind) -> list[Layer]:
    """The layers that multiply, the one that takes most time first.

    Args:
        roof: has `kind` and `memory`.
        kind: number format of the graph.
    """
    nodes: dict[str, list[NodeTime]] = defaultdict(list)
    for node in profile.nodes:
        nodes[node.layer].append(node)
    found = [_layer(name, members, roof, kind) for name, members in nodes.items()]
    return sorted((one for one in found if one.gop), key=lambda one: -one.ms)


def operators(profile: Profile) -> list[OperatorShare]:
    """Kinds of operator, the one that takes most time first."""
    return [OperatorShare(one.name, one.ms, one.share, 2 * one.gmac_per_s) for one in profile.kinds]


def as_figures(found: Sequence[Layer] | Sequence[OperatorShare]) -> list[dict[str, object]]:
    """For a record."""
    return [asdict(one) for one in found]


def _layer(name: str, nodes: Sequence[NodeTime], roof: Mapping[Kind, Peak], kind: Kind) -> Layer:
    ms, gop = sum(node.ms for node in nodes), 2 * sum(node.mac for node in nodes) / GIGA
    traffic = sum(node.traffic for node in nodes) / GIGA
    intensity = gop / traffic if traffic else 0.0
    bound = min(roof[kind].rate, intensity * roof["memory"].rate)
    rate = gop / ms * 1e3 if ms else 0.0
    busy_ms = sum(node.ms for node in nodes if node.mac)
    by_kind: dict[str, float] = defaultdict(float)
    for node in nodes:
        by_kind[node.kind] += node.ms
    largest = sorted(by_kind.items(), key=lambda item: -item[1])[:LARGEST]
    return Layer(
        name, ms, gop, 1e3 * traffic, intensity, rate, bound, rate / bound if bound else 0.0,
        busy_ms, gop / busy_ms * 1e3 if busy_ms else 0.0, tuple(largest),
    )  # fmt: skip
