"""A denoiser whose inputs and outputs stay where they are: IO binding, one set for each bucket.

A CUDA graph replays work on the addresses that it was captured with. So every bucket has arrays on
the host and tensors on the device that live as long as the session, and a run is: fill, copy
there, compute, copy back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dlpo.bundle import GraphInfo
from dlpo.errors import EngineError
from dlpo_serving.engine import Floats
from dlpo_serving.engines.buckets import Bucket, Buckets, PaddedInputs, Piece, denoise_in_buckets
from dlpo_serving.engines.onnx_session import failed_run, import_onnxruntime

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, IOBinding, OrtValue, RunOptions


class Device(Protocol):
    """Where a session computes, and how arrays get there and back."""

    name: str
    """as onnxruntime calls it, such as "cuda\""""

    def pin(self, array: Floats) -> None:
        """Make the memory of an array quick to copy; it is about to be copied often."""
        ...

    def send(self, array: Floats, value: OrtValue) -> None:
        """Copy an array into a tensor of the device; it is there when this returns."""
        ...

    def fetch(self, value: OrtValue, array: Floats) -> None:
        """Copy a tensor of the device into an array; it is there when this returns."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Binding:
    """The memory of one bucket."""

    host: PaddedInputs
    host_output: Floats
    """(B, F, hop_length)"""
    inputs: dict[str, OrtValue]
    """on the device, by name"""
    output: OrtValue
    """on the device"""
    io: IOBinding
    options: RunOptions


class BoundDenoiser:
    """One denoiser graph in fixed shapes. Calls come from one thread.

    onnxruntime keeps captured CUDA graphs by thread: a call from another thread than the one that
    warmed up is correct, but captures again.
    """

    def __init__(
        self,
        session: InferenceSession,
        name: str,
        graph: GraphInfo,
        buckets: Buckets,
        device: Device,
    ) -> None:
        """Allocate all memory, then compute every bucket twice: the second run finds all warm.

        Args:
            session: of the graph.
            name: of the graph, for errors.
            device: where the session computes.

        Raises:
            EngineError: the memory does not suffice, or the run-time fails.
        """
        self._session = session
        self._name = name
        self._buckets = buckets
        self._device = device
        shapes = {tensor.name: tensor.shape for tensor in graph.inputs}
        self._channels, self._planes = int(shapes["conditioning"][1]), int(shapes["noise"][0])
        self._hop_length = int(shapes["noise"][3])
        self._names = [tensor.name for tensor in session.get_inputs()]
        try:
            self._bindings = {
                bucket: self._bind(number, bucket)
                for number, bucket in enumerate(buckets.all, start=1)  # 0 is onnxruntime's own
            }
        except EngineError:
            raise
        except Exception as error:  # onnxruntime raises its own classes and RuntimeError
            raise EngineError(
                f"{name}: no memory on {device.name} for {len(buckets.all)} buckets ({error}); free"
                " some or use fewer and smaller buckets"
            ) from error
        for _ in range(2):
            for binding in self._bindings.values():
                self._compute(binding)

    def denoise(self, margin: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        """The denoised window; `margin` is `manifest.context_frames`, the rest as in `Engine`.

        Raises:
            EngineError: the arrays are not those of this graph, or the run-time fails.
        """

        def run(piece: Piece) -> Floats:
            binding = self._bindings[piece.bucket]
            try:
                binding.host.fill(piece, conditioning, source, noise)
            except ValueError as error:  # of numpy, where shapes do not fit
                given = {"conditioning": conditioning, "source": source, "noise": noise}
                raise failed_run(self._name, "the padding", given, error) from error
            return self._compute(binding)

        return denoise_in_buckets(run, self._buckets, margin, source.shape)

    def _compute(self, binding: _Binding) -> Floats:
        host = binding.host._asdict()
        try:
            for name, value in binding.inputs.items():
                self._device.send(host[name], value)
            self._session.run_with_iobinding(binding.io, binding.options)
            binding.io.synchronize_outputs()
            self._device.fetch(binding.output, binding.host_output)
        except Exception as error:  # onnxruntime raises its own classes and RuntimeError
            raise failed_run(self._name, "onnxruntime", host, error) from error
        return binding.host_output

    def _bind(self, number: int, bucket: Bucket) -> _Binding:
        onnxruntime = import_onnxruntime()
        new = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        host = PaddedInputs.zeros(bucket, self._channels, self._planes, self._hop_length)
        host_output = np.zeros_like(host.source)
        for array in (*host, host_output):
            self._device.pin(array)
        given = host._asdict()
        inputs = {
            name: new(given[name].shape, np.float32, self._device.name) for name in self._names
        }
        output = new(host_output.shape, np.float32, self._device.name)
        io = self._session.io_binding()
        for name, value in inputs.items():
            io.bind_ortvalue_input(name, value)
        io.bind_ortvalue_output("waveform", output)
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("gpu_graph_id", str(number))
        return _Binding(host, host_output, inputs, output, io, options)
