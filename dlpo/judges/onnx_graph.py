"""Opens a judge's published onnx graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlpo.errors import CheckpointError, needs
from dlpo.judges.judge import absent


def open_graph(weights: Path, shapes: Sequence[Sequence[int | str]]) -> Any:
    """An onnxruntime session on one thread.

    Args:
        weights: the file as published.
        shapes: of its inputs without the batch, to tell it from other graphs.

    Raises:
        CheckpointError: missing, damaged, or another graph.
        MissingExtraError: onnxruntime is not installed.
    """
    with needs("bench"):
        import onnxruntime
    if not weights.is_file():
        raise absent(weights)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            str(weights), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has no public base class for its errors
        raise CheckpointError(f"{weights}: can't be loaded ({error}); download it again") from error
    found = [list(graph_input.shape[1:]) for graph_input in session.get_inputs()]
    if found != [list(shape) for shape in shapes]:
        raise CheckpointError(
            f"{weights}: its input shapes are {found}; expected {[list(s) for s in shapes]}, as in"
            f" the published {weights.name}"
        )
    return session
