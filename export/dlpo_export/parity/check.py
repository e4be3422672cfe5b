"""Do the exported graphs compute what the checkpoint computes?

Every file of every graph is run on onnxruntime, and its module in torch, on the same inputs: the
fixed sentences and seeds of `dlpo_export.parity.cases`. Where a reduced-precision graph differs,
every intermediate tensor is compared with the float32 graph's, and the layer losing most is named.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlpo.bundle import Precision
from dlpo.errors import BundleError
from dlpo_export.graphs import DenoiserGraph
from dlpo_export.parity.cases import DENOISER, SENTENCES, Case, as_numpy, speak, whole_frames
from dlpo_export.parity.divergence import find_divergence, sqnr_db, varying_tensors
from dlpo_export.parity.metrics import f0_error_cents, log_spectral_distance, wrong_voicing
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.to_onnx import GraphSource

Files = Mapping[str, Mapping[Precision, str]]

DIAGNOSED_FRAMES = 24  # of a denoiser's window when every tensor is compared

EQUAL_DB = 200.0  # reported if there is no error at all, since JSON has no infinity


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a graph may deviate from torch; exceeding any of these fails the export."""

    largest: float
    """largest absolute error of a tensor, divided by its RMS if that is above 1; times what a chain
    magnifies it by, see `magnification`"""
    sqnr_db: float
    """minimum, for a tensor over all sentences; less what a chain magnifies errors by, in dB"""
    log_spectral_db: float
    """maximum, for a waveform, averaged over the sentences"""
    f0_cents: float
    """maximum RMS, for F0 where both are voiced"""
    wrong_voicing: float
    """maximum share of frames voiced in only one of the two"""
    moved_frames: int
    """by which a symbol may end earlier or later"""
    layer_sqnr_db: float
    """typical of a tensor inside a healthy graph; a layer is blamed for what it loses below that"""


# 8 bits with one scale per tensor: 30 to 40 dB per layer, most of it masked by speech.
# On an early voice 35 dB and 0.4 dB cost 0.03 DistillMOS, 23 dB and 2.2 dB cost 0.2, and
# 20 dB and 3.5 dB, with no layer spared, 0.9. F0 is exact if no layer on its path is rounded,
# as in `quantise`; 20 cents are inaudible, and a close voicing decision may flip.
_INT8 = Tolerance(
    largest=math.inf,
    sqnr_db=15.0,
    log_spectral_db=2.0,
    f0_cents=20.0,
    wrong_voicing=0.03,
    moved_frames=4,  # 50 ms: in the tempo of a sentence
    layer_sqnr_db=30.0,
)


TOLERANCES: Mapping[Precision, Tolerance] = {
    # Other kernels sum in another order: 1e-6 to 1e-5 is usual, anything more is a bug.
    "fp32": Tolerance(
        largest=1e-4,
        sqnr_db=80.0,
        log_spectral_db=0.05,
        f0_cents=0.1,
        wrong_voicing=0.0,
        moved_frames=0,
        layer_sqnr_db=110.0,
    ),
    # 11 bits per value: 66 dB per layer. Errors are a few times larger at the end of the chain.
    "fp16": Tolerance(
        largest=math.inf,
        sqnr_db=40.0,
        log_spectral_db=0.5,
        f0_cents=2.0,
        wrong_voicing=0.005,
        moved_frames=0,
        layer_sqnr_db=60.0,
    ),
    # 8 bits per value: 48 dB per layer.
    "bf16": Tolerance(
        largest=math.inf,
        sqnr_db=30.0,
        log_spectral_db=1.0,
        f0_cents=5.0,
        wrong_voicing=0.005,
        moved_frames=0,
        layer_sqnr_db=40.0,
    ),
    "int8": _INT8,
    "int8_symmetric": _INT8,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """How far an output of a graph deviates from torch's, over all sentences."""

    graph: str
    precision: Precision
    tensor: str
    largest: float
    """the largest absolute error, divided by the RMS of the tensor if that is above 1"""
    rms: float
    """RMS of the errors, with the same divisor"""
    sqnr_db: float
    """power of the tensor over the power of its error, `EQUAL_DB` if there is none"""
    log_spectral_db: float | None = None
    """for a waveform; see `log_spectral_distance`"""
    moved_frames: int | None = None
    """for durations: by how many a symbol ends earlier or later, at most"""
    f0_cents: float | None = None
    """for F0: RMS error where both are voiced"""
    wrong_voicing: float | None = None
    """for F0: share of frames voiced in only one of the two"""
    magnified: float | None = None
    """for the waveform of a chain; see `magnification`"""

    def failure(self) -> str | None:
        """What exceeds its tolerance, in words, or None."""
        tolerance = TOLERANCES[self.precision]
        if self.moved_frames is not None and self.moved_frames > tolerance.moved_frames:
            return (
                f"a symbol ends {self.moved_frames} frames off, tolerance {tolerance.moved_frames}"
            )
        magnified = self.magnified or 1.0
        largest = tolerance.largest * magnified
        if not self.largest <= largest:
            return f"differs by {self.largest:.1e} (RMS {self.rms:.1e}), tolerance {largest:.0e}"
        if self.f0_cents is not None and self.wrong_voicing is not None:
            # Ignores SQNR: in a nearly silent voice, one voicing decision accounts for all of it.
            return _f0_failure(self.f0_cents, self.wrong_voicing, tolerance)
        expected_db = tolerance.sqnr_db - 20 * math.log10(magnified)
        if not self.sqnr_db >= expected_db:
            return f"differs, SQNR {self.sqnr_db:.1f} dB, expected {expected_db:.0f} dB"
        if self.log_spectral_db is None or self.log_spectral_db <= tolerance.log_spectral_db:
            return None
        return (
            f"differs by {self.log_spectral_db:.2f} dB of log-spectral distance, tolerance "
            f"{tolerance.log_spectral_db} dB"
        )

    def __str__(self) -> str:
        rest = ""
        if self.log_spectral_db is not None:
            rest = f", spectra {self.log_spectral_db:.2f} dB"
        if self.f0_cents is not None and self.wrong_voicing is not None:
            rest = f", {self.f0_cents:.2f} cents, {self.wrong_voicing:.2%} of voicing wrong"
        return (
            f"{self.graph} {self.precision}: {self.tensor} differs by {self.largest:.1e} "
            f"(RMS {self.rms:.1e}, SQNR {self.sqnr_db:.0f} dB{rest})"
        )


def _f0_failure(cents: float, wrong_voicing: float, tolerance: Tolerance) -> str | None:
    if not wrong_voicing <= tolerance.wrong_voicing:
        return (
            f"is voiced in one and not in the other in {wrong_voicing:.1%} of the frames,"
            f" tolerance {tolerance.wrong_voicing:.1%}"
        )
    if not cents <= tolerance.f0_cents:
        return f"is {cents:.1f} cents off, tolerance {tolerance.f0_cents} cents"
    return None


def parity_json(differences: Sequence[Difference]) -> dict[str, Any]:
    """For a file next to the bundle: plain lists, numbers and strings, including tolerances."""

    def plain(entry: Any) -> dict[str, Any]:
        values = dataclasses.asdict(entry).items()
        return {k: v for k, v in values if v is not None and v != math.inf}

    precisions = dict.fromkeys(entry.precision for entry in differences)
    return {
        "tolerances": {name: plain(TOLERANCES[name]) for name in precisions},
        "differences": [plain(entry) for entry in differences],
    }


def check_parity(
    folder: Path, sources: Mapping[str, GraphSource], files: Files
) -> list[Difference]:
    """Compare the graphs of a bundle with the modules they were exported from.

    Args:
        folder: where the files are.
        sources: `encoder`, `frames` and any denoisers, by graph name.
        files: graph -> precision -> ONNX file; missing entries are not checked.

    Returns:
        The measurements, all of them within the tolerances.

    Raises:
        BundleError: a tolerance is exceeded, or onnxruntime can't run a graph; the
            message names the layer that loses the most precision.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    cases: dict[str, list[Case]] = defaultdict(list)
    for sentence in SENTENCES:
        for case in speak(sources, sentence):
            cases[case.graph].append(case)
    differences: list[Difference] = []
    for graph, in_precisions in files.items():
        for precision, file in in_precisions.items():
            compared = compare_graph(folder / file, precision, cases[graph])
            magnified = magnification(sources[graph].module)
            differences += [replace(one, magnified=magnified) for one in compared]
    failures = [(entry, reason) for entry in differences if (reason := entry.failure())]
    if not failures:
        return differences
    reasons = [
        f"{entry.graph} {entry.precision}: {entry.tensor} {reason}" for entry, reason in failures
    ]
    first = failures[0][0]
    where = ""
    if first.precision != "fp32":
        where = f"; {first.graph} {first.precision} diverged "
        where += _diagnosis(first, folder, files[first.graph], cases[first.graph])
    raise BundleError(
        f"the exported graphs don't compute what the checkpoint computes: {'; '.join(reasons)}"
        f"{where}; no bundle is written. Report it with the versions of torch, onnxscript and "
        "onnxruntime"
    )


def magnification(module: nn.Module) -> float | None:
    """By how much a chain magnifies the rounding errors of its network; None for another graph.

    Its first step takes the noise that a network predicts times sigma / alpha from the waveform, 12
    for the published levels. Its gain scales that, and as the next estimates contain it, so do
    theirs. Each of N steps rounds by itself, which adds up to sqrt(N). Other predictions are only
    scaled.
    """
    if not isinstance(module, DenoiserGraph):
        return None
    schedule = module.schedule
    noise = schedule.sigma[0] / schedule.alpha[0]
    of_noise = module.model.parametrisation == "eps"
    magnified = noise * math.sqrt(schedule.steps) if of_noise else 1.0
    return max(1.0, float(magnified * math.prod(max(1.0, gain) for gain in schedule.gains)))


def compare_graph(path: Path, precision: Precision, cases: Sequence[Case]) -> list[Difference]:
    """Run one file on all sentences and compare its outputs with torch's, one entry per output."""
    opened = OpenGraph(path)
    made = [opened.run(as_numpy(case.inputs)) for case in cases]
    found = []
    for tensor in cases[0].outputs:
        pairs = [
            (outputs[tensor], case.outputs[tensor].numpy())
            for outputs, case in zip(made, cases, strict=True)
        ]
        found.append(difference(cases[0].graph, precision, tensor, pairs))
    return found


def difference(
    graph: str,
    precision: Precision,
    tensor: str,
    pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]],
) -> Difference:
    """Compare one output over all sentences; a wrong shape or a NaN counts as infinitely far.

    Args:
        pairs: actual and expected, for each sentence.
    """
    if any(a.shape != b.shape or not np.isfinite(a).all() for a, b in pairs):
        return Difference(graph, precision, tensor, math.inf, math.inf, -math.inf)
    made, expected = (
        np.concatenate([np.asarray(pair[side], np.float64).ravel() for pair in pairs])
        for side in (0, 1)
    )
    scale = max(1.0, float(np.sqrt(np.mean(expected**2))))
    error = (made - expected) / scale
    spectral = None
    moved = None
    cents = None
    voicing = None
    if tensor == "waveform":
        distances = [log_spectral_distance(a.ravel(), b.ravel()) for a, b in pairs]
        spectral = float(np.mean(distances))
    if tensor == "durations":
        moved = max(int((_ends(a) - _ends(b)).abs().max()) for a, b in pairs)
    if tensor == "f0":
        cents, voicing = f0_error_cents(made, expected), wrong_voicing(made, expected)
    return Difference(
        graph,
        precision,
        tensor,
        largest=float(np.abs(error).max()),
        rms=float(np.sqrt(np.mean(error**2))),
        sqnr_db=min(sqnr_db(made, expected), EQUAL_DB),
        log_spectral_db=spectral,
        moved_frames=moved,
        f0_cents=cents,
        wrong_voicing=voicing,
    )


def _diagnosis(
    failed: Difference, folder: Path, files: Mapping[Precision, str], cases: Sequence[Case]
) -> str:
    """Find which layer loses the most precision, on a short window of the first sentence."""
    import onnx

    feed = as_numpy(_short(cases[0]))
    try:
        exact, model = (onnx.load(folder / files[p]) for p in ("fp32", failed.precision))
        expected = OpenGraph(exact, varying_tensors(exact), fuse=False).run(feed)
        usual_db = TOLERANCES[failed.precision].layer_sqnr_db
        found = find_divergence(expected, model, feed, usual_db)
    except BundleError as error:
        return f"so far that its layers can't be compared ({error})"
    return str(found) if found else "in no single layer of a short window"


def _short(case: Case) -> dict[str, Tensor]:
    """Inputs that bound the memory of all intermediate tensors."""
    if not case.graph.startswith(DENOISER):
        return case.inputs
    axes = {"conditioning": 2, "source": 1, "noise": 2}
    return {
        name: value.narrow(axes[name], 0, min(DIAGNOSED_FRAMES, value.shape[axes[name]]))
        if name in axes
        else value
        for name, value in case.inputs.items()
    }


def _ends(durations: NDArray[Any]) -> Tensor:
    return whole_frames(torch.from_numpy(durations), most=math.inf).cumsum(-1)
