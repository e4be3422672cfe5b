"""Run the graphs of a bundle that is being made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import BundleError, MissingExtraError


def run_graph(path: Path, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """Run an ONNX file on one CPU thread; outputs by name."""
    return OpenGraph(path).run(inputs)


class OpenGraph:
    """An ONNX file in an onnxruntime session of one CPU thread."""

    def __init__(self, path: Path) -> None:
        """Load it.

        Raises:
            BundleError: onnxruntime can't.
            MissingExtraError: onnxruntime is not installed.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("onnxruntime", "export") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # errors
        self._path = path
        with self._as_bundle_error():
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Outputs by name; inputs that the graph does not use are left out."""
        names = [output.name for output in self._session.get_outputs()]
        wanted = {tensor.name for tensor in self._session.get_inputs()}
        with self._as_bundle_error():
            values = self._session.run(names, {k: v for k, v in inputs.items() if k in wanted})
        return dict(zip(names, values, strict=True))

    @contextlib.contextmanager
    def _as_bundle_error(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # onnxruntime raises its own classes and plain ones besides
            raise BundleError(
                f"{self._path.name}: onnxruntime can't run it ({error}); no bundle is written"
            ) from error
