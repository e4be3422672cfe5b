"""Opens a judge's graph in Microsoft's package `speechmos`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dlpo.errors import needs


def open_graph(name: str) -> Any:
    """An onnxruntime session on one thread.

    Args:
        name: the graph's path in the package.

    Raises:
        MissingExtraError: speechmos or onnxruntime is not installed.
    """
    with needs("bench"):
        import onnxruntime
        import speechmos
    graph = Path(speechmos.__file__).parent / name
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
