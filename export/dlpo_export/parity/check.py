"""Do the exported graphs compute what the checkpoint computes?

Every file of every graph is run on onnxruntime, and its module in torch, with the same inputs: the
fixed sentences and seeds of `dlpo_export.parity.cases`. Where they differ, every tensor on the way
is compared, and the layer that loses the most precision is named.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlpo.audio import SAMPLE_RATE
from dlpo.bundle import Precision
from dlpo.errors import BundleError
from dlpo.judges.judge import Judge
from dlpo_export.parity.cases import DENOISER, SENTENCES, Case, speak
from dlpo_export.parity.divergence import (
    find_divergence,
    graph_tensors,
    sqnr_db,
    torch_tensors,
)
from dlpo_export.parity.metrics import f0_error_cents, log_spectral_distance, wrong_voicing
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.parity.report import (
    EQUAL_DB,
    TOLERANCES,
    Difference,
    JudgedDifference,
    ParityReport,
)
from dlpo_export.to_onnx import GraphSource

if TYPE_CHECKING:
    import onnx

Files = Mapping[str, Mapping[Precision, str]]
References = Mapping[str, Mapping[Precision, "onnx.ModelProto"]]

DIAGNOSED_FRAMES = 24  # of a denoiser's window in which every tensor is compared
Waveform = NDArray[np.float32]
Voice = tuple[str, Precision | None]  # a denoiser, and None for torch
SEEDS = 4  # draws of noise, each for all sentences


def check_parity(
    folder: Path,
    sources: Mapping[str, GraphSource],
    files: Files,
    references: References | None = None,
    judges: Sequence[Judge] = (),
    gain: float = 1.0,
) -> ParityReport:
    """Compare the graphs of a bundle with the modules that they were exported from.

    Args:
        folder: of the files.
        sources: `encoder`, `frames` and any denoisers, by the graph's name.
        files: graph -> precision -> ONNX file; what is not there is not checked.
        references: graph -> precision -> the float32 graph that it was made from, where that is
            not the fp32 file.
        judges: listen to the speech of every denoiser, in torch and in each precision.
        gain: factor on a waveform before judges hear it.

    Returns:
        What was measured, all of it within the tolerances.

    Raises:
        BundleError: something is above its tolerance, or onnxruntime can't run a graph; the
            message names the layer that loses the most precision.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    cases: dict[str, list[Case]] = defaultdict(list)
    for sentence in SENTENCES:
        for case in speak(sources, sentence, sentence.seed):
            cases[case.graph].append(case)
    differences: list[Difference] = []
    for graph, in_precisions in files.items():
        for precision, file in in_precisions.items():
            differences += compare_graph(folder / file, precision, cases[graph])
    report = ParityReport(tuple(differences))
    _refuse_failures(report, folder, sources, files, references or {}, cases)
    if judges:
        judged = judge_denoisers(folder, sources, files, judges, gain)
        report = ParityReport(report.differences, tuple(judged))
        _refuse_failures(report, folder, sources, files, references or {}, cases)
    return report


def compare_graph(path: Path, precision: Precision, cases: Sequence[Case]) -> list[Difference]:
    """Run one file on all sentences and compare its outputs with torch's, one entry for each."""
    opened = OpenGraph(path)
    made = [opened.run(case.numpy_inputs()) for case in cases]
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
    """Compare one output over all sentences; another shape or a NaN counts as infinitely far.

    Args:
        pairs: made by the graph and expected, for each sentence.
    """
    if any(a.shape != b.shape or not np.isfinite(a).all() for a, b in pairs):
        return Difference(graph, precision, tensor, math.inf, math.inf, -math.inf)
    made, expected = (
        np.concatenate([np.asarray(pair[side], np.float64).ravel() for pair in pairs])
        for side in (0, 1)
    )
    scale = max(1.0, float(np.sqrt(np.mean(expected**2))))
    error = (made - expected) / scale
    spectral, wrong, cents, voicing = None, None, None, None
    if tensor == "waveform":
        distances = [log_spectral_distance(a.ravel(), b.ravel()) for a, b in pairs]
        spectral = float(np.mean(distances))
    if tensor == "durations":
        wrong = sum(int(np.sum(_whole(a) != _whole(b))) for a, b in pairs)
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
        wrong_durations=wrong,
        f0_cents=cents,
        wrong_voicing=voicing,
    )


def _refuse_failures(
    report: ParityReport,
    folder: Path,
    sources: Mapping[str, GraphSource],
    files: Files,
    references: References,
    cases: Mapping[str, Sequence[Case]],
) -> None:
    failures = report.failures()
    if not failures:
        return
    reasons = [
        f"{entry.graph} {entry.precision}: {entry.measured} {reason}" for entry, reason in failures
    ]
    first = failures[0][0]
    where = ""
    if isinstance(first, Difference):
        where = f"; {first.graph} {first.precision} diverged "
        reference = references.get(first.graph, {}).get(first.precision)
        where += _diagnosis(
            first, folder, sources[first.graph], files, reference, cases[first.graph]
        )
    raise BundleError(
        f"the exported graphs don't compute what the checkpoint computes: {'; '.join(reasons)}"
        f"{where}; no bundle is written. Report it with the versions of torch, onnxscript and "
        "onnxruntime"
    )


def _diagnosis(
    failed: Difference,
    folder: Path,
    source: GraphSource,
    files: Files,
    reference: onnx.ModelProto | None,
    cases: Sequence[Case],
) -> str:
    """Which layer loses the most precision, on a short window of the first sentence."""
    import onnx

    in_precisions = files[failed.graph]
    inputs = _short(cases[0])
    feed = {name: value.contiguous().numpy() for name, value in inputs.items()}
    try:
        model = onnx.load(folder / in_precisions[failed.precision])
        if failed.precision == "fp32":
            expected = torch_tensors(source, inputs)
        else:
            exact = reference or onnx.load(folder / in_precisions["fp32"])
            expected = graph_tensors(exact, feed)
        usual_db = TOLERANCES[failed.precision].layer_sqnr_db
        found = find_divergence(expected, model, feed, usual_db)
    except BundleError as error:
        return f"so far that its layers can't be compared ({error})"
    return str(found) if found else "in no single layer of a short window"


def _short(case: Case) -> dict[str, Tensor]:
    """Inputs that keep the memory of all tensors in bounds."""
    if not case.graph.startswith(DENOISER):
        return case.inputs
    axes = {"conditioning": 2, "source": 1, "noise": 2}
    return {
        name: value.narrow(axes[name], 0, min(DIAGNOSED_FRAMES, value.shape[axes[name]]))
        if name in axes
        else value
        for name, value in case.inputs.items()
    }


def _whole(durations: NDArray[Any]) -> NDArray[Any]:
    """(1, P) frames -> (1, P) whole frames; the ends are rounded, as when speaking."""
    ends = np.rint(np.cumsum(durations, axis=1, dtype=np.float64))
    return np.diff(ends, axis=1, prepend=0.0)


def judge_denoisers(
    folder: Path,
    sources: Mapping[str, GraphSource],
    files: Mapping[str, Mapping[Precision, str]],
    judges: Sequence[Judge],
    gain: float,
) -> list[JudgedDifference]:
    """What each judge thinks of every denoiser in every precision, and of torch.

    Args:
        folder, sources, files: as for `check_parity`.
        gain: factor on a waveform before a judge hears it.
    """
    heard: dict[Voice, list[Waveform]] = defaultdict(list)
    denoisers = [name for name in files if name.startswith(DENOISER)]
    opened = {
        (name, precision): OpenGraph(folder / file)
        for name in denoisers
        for precision, file in files[name].items()
    }
    for seed in range(SEEDS):
        clips: dict[Voice, list[Waveform]] = defaultdict(list)
        for sentence in SENTENCES:
            for case in speak(sources, sentence, seed):
                if case.graph in denoisers:
                    clips[case.graph, None].append(case.outputs["waveform"].numpy())
                    for precision in files[case.graph]:
                        made = opened[case.graph, precision].run(case.numpy_inputs())
                        clips[case.graph, precision].append(made["waveform"])
        for key, sentences in clips.items():  # one clip, since some sentences are too short alone
            heard[key].append(np.float32(gain) * np.concatenate([x.ravel() for x in sentences]))
    found = []
    for judge in judges:
        scores = {
            key: float(judge.score(waveforms, SAMPLE_RATE).mean())
            for key, waveforms in heard.items()
        }
        found += [
            JudgedDifference(graph, precision, judge.name, scores[graph, None], score, SEEDS)
            for (graph, precision), score in scores.items()
            if precision is not None
        ]
    return found
