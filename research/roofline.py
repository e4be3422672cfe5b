"""The most that one core can do, and what share of it each graph of a voice reaches.

    python -m research.roofline --record --picture roofline.svg

Everything is pinned to one core and one thread, and takes turns: each round runs every kernel and
graph for 40 ms after an uncounted run. A sample is the fastest run of a turn, in processor time.

peak                      the best that matrix products and convolutions of kernel 3 reach in
                          onnxruntime, in fp32 and int8; one multiplication or addition is an op
memory, cached memory     the best of STREAM's copy and triad and a sum, over arrays of four times
                          the last-level cache, and of 128 KiB
as served                 the window of every later chunk of a stream, with its context
GOP                       the fewest operations that any export of the network needs
share of the peak         GOP / (least time x peak), everything between the products included
layers                    from onnxruntime's profiler, after all fusions, by their module's name
operations a byte         over the bytes that a layer's nodes read and write; its bound is
                          min(peak, this x memory bandwidth), which cached activations may exceed
GOP/s while it multiplies without all other operators
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import psutil
import typer
from numpy.typing import NDArray

from dlpo.bundle import Bundle, Precision
from dlpo.cli.bench import run_bench
from dlpo.cli.options import Record
from dlpo.errors import BundleError, InputError
from dlpo_bench.compare import compare_medians
from dlpo_bench.machine import pinned
from dlpo_bench.plots import GRAY, ORANGE, PlotPanel, Series, draw_panels
from dlpo_bench.record import Measured
from dlpo_bench.statistics import Spread, Tell, rotated, silent
from dlpo_bench.tables import TARGET_HEADER, Block, Figures, Table, Target, number, table_of
from dlpo_export.sentence import sentence_inputs
from dlpo_serving.engine import EncoderOutput, Engine
from dlpo_serving.engines import open_engine
from dlpo_serving.synthesis.chunks import STREAM_LADDER
from dlpo_serving.voice_names import DEFAULT_VOICE
from dlpo_serving.voices import find_voice
from research import RECORDS, run_study, study_command
from research.profile import NodeTime, Profile, measure

CPU_PRECISIONS: tuple[Literal["fp32", "int8"], ...] = ("fp32", "int8")
PROFILE_S = 3.0  # approximate limit for the profiler's runs of a case
FEWEST_RUNS, MOST_RUNS = 5, 30
LARGEST = 4  # operators named per layer

Inputs = Mapping[str, NDArray[Any]]


Kind = Literal["fp32", "int8", "memory", "cache"]
"""Number format of the multiplications, or the memory traffic."""
PRODUCTS = (256, 512, 1024)  # rows and columns; larger ones don't fit the caches
CONVOLUTIONS = ((128, 1024), (256, 256), (512, 512))  # channels, positions; kernel 3
KERNEL = 3
GIGA = 1e9
OPSET, IR_VERSION = 17, 9
# Activations are u8, weights s8, as in our int8 graphs.
_SCALES = {"scale": np.float32(0.01), "zero": np.uint8(128), "weight_zero": np.int8(0)}
_QUANTIZED = ["x", "scale", "zero", "w", "scale", "weight_zero", "scale", "zero"]
Pair = tuple[NDArray[Any], NDArray[Any]]
BEYOND = 4  # size of an array as a multiple of the last-level cache
UNKNOWN_CACHE = 64 * 2**20  # bytes, if the system does not report it
SMALLEST = 128 * 2**20  # bytes of an array, if the cache is small
SHARE_OF_MEMORY = 8  # an array takes at most an eighth
IN_CACHE = 128 * 2**10  # bytes: three arrays fit in the L2 cache of any server
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
DENOISER_TARGET = Target("share of the int8 peak, %", 40, 60, "", True)
MOST_LAYERS, NAMED_LAYERS = 12, 6  # in a table; in a plot
PEAK_WORDS = {"memory": "memory, GB/s", "cache": "cached memory, GB/s"}
GRAPHS = {
    "least_ms": "least, ms",
    "median_ms": "median, ms",
    "deviation_ms": "deviation, ms",
    "gop": "GOP",
    "gop_per_s": "GOP/s",
    "peak": "peak",
    "share:.1%": "share of it",
    "share_of_medians:fixed": "of medians [95 %]",
}
LAYERS = {
    "ms": "ms",
    "gop": "GOP",
    "intensity": "operations a byte",
    "gop_per_s": "GOP/s",
    "share_of_bound:.0%": "of its bound",
    "multiplying_gop_per_s": "GOP/s while multiplying",
    "kinds": "operators, ms",
}
OPERATORS = {"ms": "ms", "share:.1%": "share of the time", "gop_per_s": "GOP/s"}


TURN_S = 0.04  # of one contestant; it runs at least once
TURN_RUNS = 50  # at most


def take_turns(
    runs: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
    tell: Tell = silent,
) -> dict[str, Spread]:
    """Time every contestant in every round; returns the fastest run of each turn, in ms.

    A turn begins with an uncounted run, since the caches hold the predecessor's data.

    Args:
        runs: name -> what to time.
        rounds: turns per contestant.
        clock: seconds. The process clock measures what one core needs, even if the core was shared
            meanwhile, and counts every thread of a multi-threaded library; on a dedicated core it
            agrees with the wall clock.
    """
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds):
        tell(f"round {turn + 1} of {rounds}")
        for name in rotated(list(runs), turn):
            samples[name].append(1e3 * _turn(runs[name], clock))
    return {name: Spread(tuple(found)) for name, found in samples.items()}


def _turn(run: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds of the fastest run of a turn."""
    run()
    begin = clock()
    least = float("inf")
    for _ in range(TURN_RUNS):
        before = clock()
        run()
        now = clock()
        least = min(least, now - before)
        if now - begin >= TURN_S:
            break
    return least


@dataclass(frozen=True, slots=True, eq=False)
class GraphCase:
    """One graph in one precision on one window."""

    graph: str
    precision: Precision
    frames: int
    audio_s: float
    """length of the window"""
    served: bool
    """whether the window is that of all later chunks of a stream"""
    run: Callable[[], object]
    """as the server runs it, on one thread"""

    @property
    def name(self) -> str:
        """Name for tables and records."""
        return f"{self.graph} {self.precision}, {self.frames} frames"

    @property
    def kind(self) -> Kind:
        """The number format of most of its computation."""
        return "int8" if self.precision == "int8" else "fp32"


def served_frames(bundle: Bundle, steps: int) -> int:
    """Length of the window of all later chunks of a stream, including context."""
    manifest = bundle.manifest
    return STREAM_LADDER[-1] + 2 * manifest.context_frames(steps, manifest.precision)


def cases(bundle: Bundle, steps: int, frames: Sequence[int]) -> Iterator[GraphCase]:
    """Every graph of the chain of `steps` steps, in fp32 and, if available, in int8.

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
            inputs = sentence_inputs(bundle, graph, length)
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


def layers(profile: Profile, roof: Mapping[Kind, Peak], kind: Kind) -> list[dict[str, Any]]:
    """The layers that multiply, in descending order of time.

    Args:
        roof: has `kind` and `memory`.
        kind: number format of the graph.
    """
    nodes: dict[str, list[NodeTime]] = defaultdict(list)
    for node in profile.nodes:
        nodes[node.layer].append(node)
    found = [_layer(name, members, roof, kind) for name, members in nodes.items()]
    return sorted((one for one in found if one["gop"]), key=lambda one: -one["ms"])


def _layer(
    name: str, nodes: Sequence[NodeTime], roof: Mapping[Kind, Peak], kind: Kind
) -> dict[str, Any]:
    """All nodes of one layer, including activations and conversions, over all reverse steps."""
    ms, gop = sum(node.ms for node in nodes), 2 * sum(node.mac for node in nodes) / GIGA
    traffic = sum(node.traffic for node in nodes) / GIGA
    intensity = gop / traffic if traffic else 0.0
    bound = min(roof[kind].rate, intensity * roof["memory"].rate)
    rate = gop / ms * 1e3 if ms else 0.0
    busy_ms = sum(node.ms for node in nodes if node.mac)
    by_kind: dict[str, float] = defaultdict(float)
    for node in nodes:
        by_kind[node.kind] += node.ms
    return {
        "layer": name,
        "ms": ms,
        "gop": gop,  # 1e9 operations
        "traffic_mb": 1e3 * traffic,
        "intensity": intensity,  # operations per byte
        "gop_per_s": rate,
        "bound_gop_per_s": bound,  # limit set by the roofline
        "share_of_bound": rate / bound if bound else 0.0,
        "multiplying_ms": busy_ms,  # of `ms`: convolutions, products and LSTMs
        "multiplying_gop_per_s": gop / busy_ms * 1e3 if busy_ms else 0.0,
        # the most expensive operators, and their ms
        "largest_kinds": sorted(by_kind.items(), key=lambda item: -item[1])[:LARGEST],
    }


def measure_roofline(
    voice: str, frames: Sequence[int], *, steps: int | None = None, rounds: int = 15,
    core: int | None = None, tell: Tell = silent,
) -> Measured:  # fmt: skip
    """Measure the peaks of a core, and what share of them each graph reaches.

    Args:
        frames: lengths of windows; that of a served chunk is added.
        steps: of the denoiser; None is the voice's default.
        rounds: turns of every kernel and graph, 3 or more.
        core: core to pin to; None is the last.

    Raises:
        InputError: there is no such voice or core, or a window has no length.
        BundleError: the bundle is damaged, or has no denoiser with that many steps.
        EngineError: a graph does not run.
    """
    bundle = Bundle.load(find_voice(voice))
    steps = steps or bundle.manifest.steps
    with pinned(1, core) as cores:
        kernels = list(chain(onnx_kernels(), memory_kernels()))
        chosen = list(cases(bundle, steps, frames))
        runs = {kernel.name: kernel.run for kernel in kernels}
        runs |= {case.name: case.run for case in chosen}
        times = take_turns(runs, rounds, tell=tell)
        roof = peaks(kernels, times)
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
        "layers": {c.name: layers(profiles[c.name], roof, c.kind) for c in chosen},
        "operators": {
            name: [
                {"operator": kind.name, "ms": kind.ms, "share": kind.share,
                 "gop_per_s": 2 * kind.gmac_per_s}
                for kind in profile.operators
            ]
            for name, profile in profiles.items()
        },
    }  # fmt: skip
    samples = {
        "peaks": {k.name: {"kernel_ms": list(times[k.name].samples)} for k in kernels},
        "graphs": {c.name: {"graph_ms": list(times[c.name].samples)} for c in chosen},
    }
    return Measured(figures, samples, bundle_sha256=bundle.sha256)


def graph_figures(
    case: GraphCase, chosen: Sequence[GraphCase], profiles: Mapping[str, Profile], spread: Spread,
    peak: Peak,
) -> dict[str, object]:  # fmt: skip
    """A whole graph against the peak of its precision.

    Exports of one network may compute more than necessary: `gop` is the smallest number of
    operations, `executed_gop` that of this graph.
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
    """Time at the median peak / median time, with its 95 % bootstrap interval."""
    at_peak_ms = np.array(peak.samples_ms) * (gop / peak.work)
    return compare_medians(peak.by, np.array(spread.samples), at_peak_ms).ratio.figure


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """One kernel to be timed."""

    name: str
    """library, operation, size"""
    kind: Kind
    work: float
    """1e9 operations (a multiplication and an addition count as two), or 1e9 bytes"""
    run: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest rate reached."""

    kind: Kind
    by: str
    """name of the kernel"""
    rate: float
    """1e9 operations or bytes per second, in its fastest run"""
    median_rate: float
    """the same in its median run"""
    samples_ms: tuple[float, ...]
    work: float


def peaks(kernels: Iterable[Kernel], times: Mapping[str, Spread]) -> dict[Kind, Peak]:
    """The best kernel of each kind."""
    found: dict[Kind, Peak] = {}
    for kernel in kernels:
        spread = times[kernel.name]
        rate = kernel.work / spread.least * 1e3
        if kernel.kind not in found or rate > found[kernel.kind].rate:
            median_rate = kernel.work / spread.median * 1e3
            found[kernel.kind] = Peak(
                kernel.kind, kernel.name, rate, median_rate, spread.samples, kernel.work
            )
    return found


def onnx_kernels() -> Iterator[Kernel]:
    """onnxruntime: fp32 and int8, matrix products and convolutions of kernel size 3."""
    random = np.random.default_rng(0)
    zero = {"zero": _SCALES["zero"]}
    for size in PRODUCTS:
        work, shape = 2 * size**3 / GIGA, (size, size)
        (x, w), (x8, w8) = _floats(random, shape, shape), _bytes(random, shape, shape)
        for name, operator, inputs, data, weights, out in (
            ("fp32 product", "MatMul", ["x", "w"], x, {"w": w}, "float32"),
            ("int8 MatMulInteger", "MatMulInteger", ["x", "w", "zero"], x8, {"w": w8, **zero},
             "int32"),
            ("int8 QLinearMatMul", "QLinearMatMul", _QUANTIZED, x8, {"w": w8, **_SCALES}, "uint8"),
        ):  # fmt: skip
            name = f"onnxruntime {name} {size}"
            yield _onnx_kernel(name, work, operator, inputs, data, weights, out)
    for channels, positions in CONVOLUTIONS:
        work = 2 * KERNEL * channels**2 * positions / GIGA
        shapes = (1, channels, positions), (channels, channels, KERNEL)
        (x, w), (x8, w8) = _floats(random, *shapes), _bytes(random, *shapes)
        weights8 = {"w": w8, "b": np.zeros(channels, np.int32), **_SCALES}
        for name, operator, inputs, data, weights, out in (
            ("fp32", "Conv", ["x", "w"], x, {"w": w}, "float32"),
            ("int8", "QLinearConv", [*_QUANTIZED, "b"], x8, weights8, "uint8"),
        ):
            name = f"onnxruntime {name} convolution {channels}x{positions}"
            yield _onnx_kernel(name, work, operator, inputs, data, weights, out, pads=[1, 1])


def _floats(random: np.random.Generator, x: Sequence[int], w: Sequence[int]) -> Pair:
    return random.standard_normal(x, np.float32), random.standard_normal(w, np.float32)


def _bytes(random: np.random.Generator, x: Sequence[int], w: Sequence[int]) -> Pair:
    """Weights of few enough bits that sums of products never saturate."""
    return random.integers(0, 256, x, np.uint8), random.integers(-64, 64, w, np.int8)


def _onnx_kernel(
    name: str, work: float, operator: str, inputs: Sequence[str], x: NDArray[Any],
    weights: Mapping[str, Any], out: str, **attributes: Any,
) -> Kernel:  # fmt: skip
    """A graph of a single node."""
    import onnxruntime
    from onnx import helper, numpy_helper

    def value(name: str, type_: str, shape: Sequence[int] | None) -> Any:
        type_id = helper.np_dtype_to_tensor_dtype(np.dtype(type_))
        return helper.make_tensor_value_info(name, type_id, shape)

    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["y"], **attributes)],
        "peak",
        [value("x", x.dtype.name, x.shape)],
        [value("y", out, None)],
        [numpy_helper.from_array(np.asarray(array), key) for key, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    kind: Kind = "fp32" if x.dtype == np.float32 else "int8"
    return Kernel(name, kind, work, lambda: session.run(None, {"x": x}))


def memory_kernels() -> Iterator[Kernel]:
    """Memory-bound kernels: arrays too large for any cache, then arrays that fit."""
    most = psutil.virtual_memory().total // SHARE_OF_MEMORY
    yield from _memory_kernels("memory", min(max(BEYOND * last_cache_bytes(), SMALLEST), most))
    yield from _memory_kernels("cache", IN_CACHE)


def last_cache_bytes(caches: Path = _CACHES) -> int:
    """Size of the largest cache of the first core.

    Raises:
        InputError: the system reports a malformed size.
    """
    sizes = [path.read_text("ascii").strip() for path in caches.glob("index*/size")]
    try:
        return max((int(size[:-1]) * _UNITS[size[-1]] for size in sizes), default=UNKNOWN_CACHE)
    except (ValueError, LookupError) as error:
        raise InputError(f"{caches} has sizes {sizes}; expected such as 32768K") from error


def _memory_kernels(kind: Kind, size: int) -> Iterator[Kernel]:
    """Reference: McCalpin, Memory Bandwidth and Machine Balance in Current High Performance
    Computers, 1995, for copy and triad."""
    length = size // 4
    a, b, c = (np.full(length, value, np.float32) for value in (1, 2, 3))

    def numpy_triad() -> None:  # in two passes: 5 arrays of traffic
        np.multiply(c, np.float32(1.5), out=a)
        np.add(a, b, out=a)

    for name, arrays, run in (
        ("numpy copy", 2, partial(np.copyto, a, b)),
        ("numpy sum", 1, b.sum),
        ("numpy triad", 5, numpy_triad),
    ):
        yield Kernel(f"{name} {size // 2**10} KiB", kind, arrays * 4 * length / GIGA, run)


def draw_roofline(figures: Figures) -> str:
    """Layers of each served denoiser under one core's peaks."""
    panels = []
    for name, graph in _served_denoisers(figures).items():
        peaks, layers = figures["peaks"], figures["layers"][name]
        peak, intensity = peaks[graph["peak"]]["rate"], [one["intensity"] for one in layers]
        notes = [str(i + 1) for i in range(min(NAMED_LAYERS, len(layers)))]
        series = [Series(intensity, [one["gop_per_s"] for one in layers], notes=notes)]
        for kind, color in (("memory", GRAY), ("cache", ORANGE)):
            if kind in peaks:
                most = 2 * max(*intensity, peak / peaks[kind]["rate"])
                x = np.geomspace(min(intensity) / 2, most, 50)
                roof = np.minimum(peak, x * peaks[kind]["rate"])
                series.append(Series(x.tolist(), roof.tolist(), kind, color, "-"))
        legend = "\n".join(f"{i}: {one['layer']}" for i, one in zip(notes, layers, strict=False))
        title = f"{name}: {100 * graph['share']:.0f} % of the {graph['peak']} peak"
        axes = "operations a byte", "GOP/s"
        panels.append(PlotPanel(title, *axes, series, "xy", legend_title=legend))
    return draw_panels("Layers under the roof", panels)


def roofline_blocks(figures: Figures) -> list[Block]:
    """Targets, peaks, graphs, and the layers and operators of the served denoiser."""
    served = _served_denoisers(figures)
    shown = next((name for name in served if " int8," in name), list(served)[-1])
    targets = []
    for name, graph in served.items():
        if graph["peak"] == "int8":
            words, *rest = DENOISER_TARGET.row(100 * graph["share"])
            targets.append([f"{words}, {name}, as served", *rest])
    graphs = {
        f"{name}{', as served' if graph.get('served') else ''}": graph
        for name, graph in figures["graphs"].items()
    }
    layers = {}
    for one in figures["layers"][shown][:MOST_LAYERS]:
        kinds = ", ".join(f"{kind} {number(ms, 2)}" for kind, ms in one["largest_kinds"])
        layers[one["layer"]] = {**one, "kinds": kinds}
    operators = {one["operator"]: one for one in figures["operators"][shown][:MOST_LAYERS]}
    peaks = {PEAK_WORDS.get(k, f"{k}, GOP/s"): peak for k, peak in figures["peaks"].items()}
    return [
        Table(TARGET_HEADER, targets),
        table_of("peak of one core", peaks, {"rate": "best", "median_rate": "median", "by": "by"}),
        table_of("graph", graphs, GRAPHS),
        f"Layers of {shown}:",
        table_of("layer", layers, LAYERS),
        f"Operators of {shown}:",
        table_of("operator", operators, OPERATORS),
    ]


def _served_denoisers(figures: Figures) -> dict[str, Figures]:
    """The denoiser on the window of a served chunk, in every precision."""
    return {
        name: graph
        for name, graph in figures["graphs"].items()
        if graph["served"] and graph["graph"].startswith("denoiser")
    }


def main(
    voice: Annotated[str, typer.Option(help="Name or path of a bundle.")] = DEFAULT_VOICE,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Reverse steps of the denoiser; the voice's own.")
    ] = None,
    frames: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Length of a window; repeatable. 64, 256 and 1024."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=3, help="Turns of every kernel and graph.")] = 15,
    core: Annotated[int | None, typer.Option(help="That it is held to; the last.")] = None,
    picture: Annotated[Path | None, typer.Option(help="SVG of the layers to write.")] = None,
    record: Record = False,
) -> None:
    """Measure the peaks of a core, and what share of them each graph of a voice reaches."""

    def study() -> Measured:
        lengths = frames or (64, 256, 1024)
        found = measure_roofline(
            voice, lengths, steps=steps, rounds=rounds, core=core,
            tell=lambda line: typer.echo(line, err=True),
        )  # fmt: skip
        if picture:
            picture.write_text(draw_roofline(found.figures), "utf-8")
        return found

    run_bench("roofline", study, roofline_blocks, record, RECORDS, study_command("roofline"))


if __name__ == "__main__":
    run_study(main)
