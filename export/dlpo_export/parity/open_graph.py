"""Runs the graphs of a bundle under construction."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from dlpo.errors import BundleError, needs
from dlpo_export.parity.rounding import rounded_in_float32

if TYPE_CHECKING:
    import onnx

HALVES = (".fp16.onnx", ".bf16.onnx")  # files of graphs that the CPU would run without rounding
NOT_WANTED = ("QDQPropagationTransformer", "EnsureUniqueDQForNodeUnit")  # slow a saved graph


class OpenGraph:
    """A graph in a single-threaded onnxruntime CPU session, to be run any number of times."""

    def __init__(
        self,
        graph: Path | onnx.ModelProto,
        fetch: Collection[str] = (),
        *,
        fuse: bool = True,
        save: Path | None = None,
    ) -> None:
        """Load it.

        Args:
            graph: an ONNX file, or a model with its weights inside.
            fetch: tensors to return from a model, any that it computes; default: its outputs.
            fuse: let onnxruntime fuse layers; False: each layer computes exactly what it states.
            save: where to write the graph as onnxruntime has rewritten it.

        Raises:
            BundleError: onnxruntime can't load it.
            MissingExtraError: onnx or onnxruntime is not installed.
        """
        with needs("export"):
            import onnx
            import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        if not fuse:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        unwanted = NOT_WANTED if save else None
        if save:
            options.optimized_model_filepath = str(save)
        options.log_severity_level = 3  # errors
        loaded: Path | bytes
        if isinstance(graph, Path):
            self._name = graph.name
            self._consequence = "; no bundle is written"
            loaded = graph
            if graph.name.endswith(HALVES):
                loaded = rounded_in_float32(onnx.load(graph)).SerializeToString()
        else:
            self._name = graph.graph.name
            self._consequence = ""
            loaded = _serialised(graph, fetch)
        with self._as_bundle_error():
            self._session = onnxruntime.InferenceSession(
                loaded, options, ["CPUExecutionProvider"], disabled_optimizers=unwanted
            )

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Outputs by name; inputs that the graph does not use are ignored."""
        names = [output.name for output in self._session.get_outputs()]
        wanted = {tensor.name for tensor in self._session.get_inputs()}
        with self._as_bundle_error():
            values = self._session.run(names, {k: v for k, v in inputs.items() if k in wanted})
        return dict(zip(names, values, strict=True))

    @contextlib.contextmanager
    def _as_bundle_error(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # onnxruntime raises both its own classes and plain ones
            raise BundleError(
                f"{self._name}: onnxruntime can't run it ({error}){self._consequence}"
            ) from error


def _serialised(model: onnx.ModelProto, fetch: Collection[str]) -> bytes:
    """The model's bytes, with the tensors of `fetch`, if any, as its outputs."""
    if fetch:
        with needs("export"):
            from onnx import helper
        model = copy.deepcopy(model)
        del model.graph.output[:]
        model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in fetch)
    content: bytes = model.SerializeToString()
    return content
