"""The whole measurement, and the figures of its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dlpo.bundle import Bundle
from dlpo.errors import EngineError, InputError
from dlpo_bench.interleave import Spread, take_turns
from dlpo_bench.machine import Interference, watch_machine
from dlpo_bench.roofline.gpu import measure_gpu
from dlpo_bench.roofline.graphs import (
    FRAMES,
    Case,
    as_figures,
    cases,
    layers,
    operators,
    peak_kind,
    profile,
    reached,
)
from dlpo_bench.roofline.kernels import (
    Kernels,
    Kind,
    Peak,
    memory_kernels,
    onnx_kernels,
    openvino_kernels,
    peaks,
    torch_kernels,
)
from dlpo_bench.rtf.measure import pinned
from dlpo_serving.voices import DEFAULT_VOICE, find_voice

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflineOptions:
    """What to measure."""

    voice: str = DEFAULT_VOICE
    """Name or path of a bundle."""
    steps: int | None = None
    """Reverse steps, N; None is the voice's own."""
    frames: tuple[int, ...] = FRAMES
    """Lengths of windows, beside that of a served chunk."""
    rounds: int = 15
    """Turns of every kernel and graph."""
    core: int | None = None
    """That kernels and graphs are held to; None is the last."""

    def __post_init__(self) -> None:
        """Raises InputError where something can't be measured."""
        if self.rounds < 3:
            raise InputError(f"rounds is {self.rounds}; a spread wants at least 3")


@dataclass(frozen=True, slots=True)
class RooflineRun:
    """What a run found."""

    figures: dict[str, Any]
    samples: dict[str, Any]
    interference: Interference
    bundle_sha256: str


def measure_roofline(options: RooflineOptions, tell: Tell = lambda line: None) -> RooflineRun:
    """Measure the peaks of a core, and what share of them each graph reaches.

    Args:
        tell: takes lines on the progress.

    Raises:
        InputError: there is no such voice or core, or a length of a window is of no use.
        BundleError: the bundle is damaged, or has no denoiser of so many steps.
        EngineError: a graph does not run.
    """
    bundle = Bundle.load(find_voice(options.voice))
    steps = options.steps or bundle.manifest.steps
    with watch_machine() as watch:
        with pinned(1, options.core) as cores:
            kernels = _kernels()
            chosen = list(cases(bundle, steps, options.frames))
            times = take_turns(
                {
                    **{kernel.name: kernel.run for kernel in kernels.present},
                    **{case.name: case.run for case in chosen},
                },
                options.rounds,
                tell=tell,
            )
            roof = peaks(kernels.present, times)
            _check_roof(roof, chosen, kernels.skipped)
            profiles = {}
            for case in chosen:
                tell(f"profiling {case.name}")
                profiles[case.name] = profile(bundle, case, times[case.name].least_ms)
        gop = {
            case.frames: 2 * profiles[case.name].gmac
            for case in chosen
            if case.graph.startswith("denoiser") and case.precision == "fp32"
        }
        gpu = measure_gpu(bundle, steps, gop, options.rounds, tell)
        kernels.skipped |= gpu.skipped
    graphs = {case.name: _graph(case, chosen, profiles, times, roof) for case in chosen}
    figures = {
        "steps": steps,
        "cores": cores,
        "peaks": {kind: _peak(peak) for kind, peak in roof.items()},
        "gpu_peaks": {kind: _peak(peak) for kind, peak in gpu.roof.items()},
        "gpu_graphs": gpu.graphs,
        "graphs": graphs,
        "layers": {
            case.name: as_figures(layers(profiles[case.name], roof, peak_kind(case.precision)))
            for case in chosen
        },
        "operators": {name: as_figures(operators(one)) for name, one in profiles.items()},
        "skipped": kernels.skipped,
        "machine": watch.interference.figures(),
    }
    samples = _samples(kernels, chosen, times) | {"gpu": gpu.samples}
    return RooflineRun(figures, samples, watch.interference, bundle.sha256)


def _kernels() -> Kernels:
    kernels = Kernels()
    kernels.add("torch", torch_kernels)
    kernels.add("onnxruntime", onnx_kernels)
    kernels.add("openvino", openvino_kernels)
    kernels.add("memory", memory_kernels)
    return kernels


def _check_roof(roof: Mapping[Kind, Peak], chosen: list[Case], skipped: Mapping[str, str]) -> None:
    """Raise EngineError where a graph has nothing to be compared with."""
    for kind in {"memory", *(peak_kind(case.precision) for case in chosen)} - roof.keys():
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise EngineError(f"no library measured the peak of {kind}, expected one ({reasons})")


def _peak(peak: Peak) -> dict[str, object]:
    return {"rate": peak.rate, "median_rate": peak.median_rate, "by": peak.by}


def _graph(
    case: Case,
    chosen: list[Case],
    profiles: Mapping[str, Any],
    times: Mapping[str, Spread],
    roof: Mapping[Kind, Peak],
) -> dict[str, object]:
    """Figures of a whole graph."""
    alike = [one for one in chosen if (one.graph, one.frames) == (case.graph, case.frames)]
    # Exports of one network may compute more than it asks for; the fewest operations count.
    gop = min(2 * profiles[one.name].gmac for one in alike)
    spread, kind = times[case.name], peak_kind(case.precision)
    found = reached(spread, gop, 2 * profiles[case.name].gmac, roof[kind])
    share, low, high = found.share_of_medians
    return {
        "graph": case.graph, "precision": case.precision, "frames": case.frames,
        "served": case.served, "audio_s": case.audio_s, "gop": found.gop,
        "executed_gop": found.executed_gop, "least_ms": spread.least_ms,
        "median_ms": spread.median_ms, "deviation_ms": spread.deviation_ms,
        "nodes_ms": profiles[case.name].total_ms, "gop_per_s": gop / spread.least_ms * 1e3,
        "peak": kind, "share": found.share,
        "share_of_medians": {"value": share, "interval_95": [low, high]},
    }  # fmt: skip


def _samples(
    kernels: Kernels,
    chosen: list[Case],
    times: Mapping[str, Spread],
) -> dict[str, Any]:
    """The raw measurements: of each turn its quickest run."""
    return {
        "peaks": {k.name: {"kernel_ms": list(times[k.name].samples_ms)} for k in kernels.present},
        "graphs": {c.name: {"graph_ms": list(times[c.name].samples_ms)} for c in chosen},
    }
