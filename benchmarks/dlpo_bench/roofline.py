"""How near the graphs of a bundle come to what a core can do at most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dlpo.bundle import Bundle, Precision
from dlpo.errors import BundleError, EngineError, InputError
from dlpo_bench.compare import compare_medians
from dlpo_bench.interleave import Spread, Tell, silent, take_turns
from dlpo_bench.kernels import (
    GIGA,
    Kernels,
    Kind,
    Peak,
    memory_kernels,
    onnx_kernels,
    openvino_kernels,
    peaks,
    torch_kernels,
)
from dlpo_bench.machine import pinned, watch_machine
from dlpo_bench.options import RooflineOptions
from dlpo_bench.record import Measured
from dlpo_export.profile.inputs import sentence_inputs
from dlpo_export.profile.measure import NodeTime, Profile, measure
from dlpo_serving.engine import EncoderOutput, Engine
from dlpo_serving.engines import open_engine
from dlpo_serving.synthesis.denoiser_input import STREAM_LADDER
from dlpo_serving.voices import find_voice

CPU_PRECISIONS: tuple[Literal["fp32", "int8"], ...] = ("fp32", "int8")
PROFILE_S = 3.0  # that the profiler's runs of a case may take, about
FEWEST_RUNS, MOST_RUNS = 5, 30
LARGEST = 4  # operators that are named for a layer

Inputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class GraphCase:
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

    @property
    def kind(self) -> Kind:
        """The number format that most of it computes in."""
        return "int8" if self.precision == "int8" else "fp32"


def served_frames(bundle: Bundle, steps: int) -> int:
    """Length of the window of every later chunk of a stream, with its context."""
    manifest = bundle.manifest
    return STREAM_LADDER[-1] + 2 * manifest.context_frames(steps, manifest.precision)


def cases(bundle: Bundle, steps: int, frames: Sequence[int]) -> Iterator[GraphCase]:
    """Every graph of the chain of `steps` steps, in fp32 and in int8 where it has that.

    Args:
        frames: lengths of windows; that of a served chunk is added.

    Raises:
        BundleError: there is no such denoiser.
        InputError: a length is below 1.
        EngineError: onnxruntime can't load a graph.
    """
    manifest, denoiser = bundle.manifest, f"denoiser_{steps}"
    if denoiser not in manifest.graphs:
        known = ", ".join(map(str, manifest.available_steps))
        raise BundleError(f"the voice has no denoiser of {steps} steps; it has those of {known}")
    if not frames or min(frames) < 1:
        raise InputError(f"frames is {list(frames)}; expected lengths of 1 or more")
    served = served_frames(bundle, steps)
    engines = {
        precision: open_engine(bundle, "cpu", precision)
        for precision in CPU_PRECISIONS
        if precision in manifest.graphs[denoiser].files
    }
    for length in sorted({*frames, served}):
        audio_s = length * manifest.hop_length / manifest.sample_rate_hz
        for graph in ("encoder", "frames", denoiser):
            inputs, _ = sentence_inputs(bundle, graph, length)
            for precision, engine in engines.items():
                if precision in manifest.graphs[graph].files:
                    run = _run(engine, graph, steps, inputs, length)
                    yield GraphCase(graph, precision, length, audio_s, length == served, run)


def _run(
    engine: Engine, graph: str, steps: int, inputs: Inputs, frames: int
) -> Callable[[], object]:
    if graph == "encoder":
        return partial(engine.encode, inputs["phonemes"], inputs.get("noise"))
    if graph == "frames":
        encoding = EncoderOutput(inputs["hidden"], inputs["durations"], inputs["ranges"])
        counts = inputs["durations"][0].astype(np.int64)
        return partial(engine.frames, encoding, counts, 0, frames, 0.0)
    read = (inputs[name] for name in ("conditioning", "source", "noise"))
    return partial(engine.denoise, steps, *read)


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


def measure_roofline(options: RooflineOptions, tell: Tell = silent) -> Measured:
    """Measure the peaks of a core, and what share of them each graph reaches.

    Raises:
        InputError: there is no such voice or core, or a window has no length.
        BundleError: the bundle is damaged, or has no denoiser of so many steps.
        EngineError: a graph does not run, or nothing measured its peak.
    """
    bundle = Bundle.load(find_voice(options.voice))
    steps = options.steps or bundle.manifest.steps
    with watch_machine() as watch, pinned(1, options.core) as cores:
        kernels = Kernels()
        for library, make in (
            ("torch", torch_kernels), ("onnxruntime", onnx_kernels),
            ("openvino", openvino_kernels), ("memory", memory_kernels),
        ):  # fmt: skip
            kernels.add(library, make)
        chosen = list(cases(bundle, steps, options.frames))
        runs = {kernel.name: kernel.run for kernel in kernels.present}
        runs |= {case.name: case.run for case in chosen}
        times = take_turns(runs, options.rounds, tell=tell)
        roof = peaks(kernels.present, times)
        for kind in {"memory", *(case.kind for case in chosen)} - roof.keys():
            reasons = "; ".join(f"{name}: {why}" for name, why in kernels.skipped.items())
            raise EngineError(f"no library measured the peak of {kind} ({reasons})")
        profiles = {}
        for case in chosen:
            tell(f"profiling {case.name}")
            count = np.clip(1e3 * PROFILE_S / times[case.name].least, FEWEST_RUNS, MOST_RUNS)
            profiles[case.name] = measure(
                bundle, case.graph, case.precision, int(count), frames=case.frames
            )
    figures = {
        "steps": steps,
        "cores": cores,
        "peaks": {
            kind: {"rate": peak.rate, "median_rate": peak.median_rate, "by": peak.by}
            for kind, peak in roof.items()
        },
        "graphs": {
            case.name: graph_figures(case, chosen, profiles, times[case.name], roof[case.kind])
            for case in chosen
        },
        "layers": {
            case.name: [asdict(one) for one in layers(profiles[case.name], roof, case.kind)]
            for case in chosen
        },
        "operators": {
            name: [
                {"operator": kind.name, "ms": kind.ms, "share": kind.share,
                 "gop_per_s": 2 * kind.gmac_per_s}
                for kind in profile.kinds
            ]
            for name, profile in profiles.items()
        },
        "skipped": kernels.skipped,
        "machine": watch.interference.figures(),
    }  # fmt: skip
    samples = {
        "peaks": {k.name: {"kernel_ms": list(times[k.name].samples)} for k in kernels.present},
        "graphs": {c.name: {"graph_ms": list(times[c.name].samples)} for c in chosen},
    }
    warnings = watch.interference.warnings()
    return Measured(figures, samples, {}, warnings, bundle_sha256=bundle.sha256)


def graph_figures(
    case: GraphCase, chosen: Sequence[GraphCase], profiles: Mapping[str, Profile], spread: Spread,
    peak: Peak,
) -> dict[str, object]:  # fmt: skip
    """A whole graph against the peak of its precision.

    Exports of one network may compute more than it needs: the fewest operations count as `gop`,
    those of this graph are `executed_gop`.
    """
    alike = [one for one in chosen if (one.graph, one.frames) == (case.graph, case.frames)]
    gop = min(2 * profiles[one.name].gmac for one in alike)
    rate = gop / spread.least * 1e3
    return {
        "graph": case.graph, "precision": case.precision, "frames": case.frames,
        "served": case.served, "audio_s": case.audio_s, "gop": gop,
        "executed_gop": 2 * profiles[case.name].gmac, "least_ms": spread.least,
        "median_ms": spread.median, "deviation_ms": spread.deviation,
        "nodes_ms": profiles[case.name].total_ms, "gop_per_s": rate, "peak": case.kind,
        "share": rate / peak.rate, "share_of_medians": share_of_medians(spread, gop, peak),
    }  # fmt: skip


def share_of_medians(spread: Spread, gop: float, peak: Peak) -> dict[str, Any]:
    """Time at the peak's median / median time, with its 95 % bootstrap interval."""
    at_peak_ms = np.array(peak.samples_ms) * (gop / peak.work)
    return compare_medians(peak.by, np.array(spread.samples), at_peak_ms).ratio.figure
