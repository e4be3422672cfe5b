"""Sessions of onnxruntime: one thread each, so that many streams share a machine fairly."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import EngineError, MissingExtraError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CPU = "CPUExecutionProvider"

Provider = tuple[str, dict[str, str]]
"""Name and options of an execution provider."""


def import_onnxruntime() -> ModuleType:
    """The package `onnxruntime`, be it of the CPU or of the GPU distribution.

    Raises:
        MissingExtraError: neither is installed.
    """
    # From 1.29 on its Linux wheels report each session to Microsoft, unless this is set before.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "serve") from error
    module: ModuleType = onnxruntime
    return module


def open_session(
    path: Path, providers: Sequence[Provider] = ((CPU, {}),), *, optimise: bool = True
) -> InferenceSession:
    """Load a graph.

    Args:
        path: its ONNX file.
        providers: in the order in which they may take nodes.
        optimise: let onnxruntime rewrite the graph. A quantised one is slow without.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        EngineError: it can't load the graph.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Else a plan of memory is kept for each shape that was ever seen, and there are as many lengths
    # of sentences as there are texts. Without, resident memory stays where it is, at equal speed.
    options.enable_mem_pattern = False
    # Else a plan of which tensor takes whose memory, whose making compares the shapes of all pairs:
    # half of the load of a long graph. The arena uses memory again all the same: equal peaks.
    options.enable_mem_reuse = False
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3  # errors; warnings about unused initialisers help nobody here
    try:
        # Without fallback: else it would say on standard output that it takes the CPU, and take it.
        return onnxruntime.InferenceSession(
            path, options, providers=list(providers), enable_fallback=0
        )
    # onnxruntime raises its own classes and plain ValueError or RuntimeError besides.
    except Exception as error:
        first = providers[0][0]
        advice = (
            'export again with "dlpo export"'
            if first == CPU
            else f"where {first} can't be fixed, use --engine cpu"
        )
        raise EngineError(f"{path}: onnxruntime can't load it ({error}); {advice}") from error


def run_session(
    session: InferenceSession,
    graph: str,
    outputs: Sequence[str],
    inputs: Mapping[str, NDArray[Any]],
) -> list[NDArray[np.float32]]:
    """Compute a graph, given the inputs that it has.

    Args:
        graph: its name, for the error.
        outputs: names of what comes back, in order.
        inputs: by name; one that the graph does not have, such as the pitch of a voice without
            F0, is left out.

    Raises:
        EngineError: the run failed.
    """
    feed = {tensor.name: inputs[tensor.name] for tensor in session.get_inputs()}
    try:
        values: list[NDArray[np.float32]] = session.run(list(outputs), feed)
    except Exception as error:  # see `open_session`
        raise failed_run(graph, "onnxruntime", inputs, error) from error
    return values


def failed_run(
    graph: str, runtime: str, inputs: Mapping[str, NDArray[Any]], error: Exception
) -> EngineError:
    """The error of a graph that `runtime` could not compute."""
    shapes = {name: value.shape for name, value in inputs.items()}
    return EngineError(f"{graph}: {runtime} failed on {shapes}: {error}")
