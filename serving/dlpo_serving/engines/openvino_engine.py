"""The denoiser with OpenVINO in bfloat16, on a CPU that computes in it (avx512_bf16 or AMX).

The weights come from the fp32 graph and OpenVINO rounds them. What a low precision would ruin, the
noise levels and their embeddings, are constants of the graph: folded in fp32, rounded afterwards.

The graph is compiled once, for any length. The first window of each new length takes about twice
its time, while OpenVINO prepares its kernels; a stream meets few lengths, because the chunks of a
ladder are alike. A chunk equals the same samples of the whole only up to the rounding of bfloat16,
about -48 dB, because other lengths are summed in another order; in fp32 it equals them to -120 dB.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from dlpo.bundle import Bundle
from dlpo.errors import EngineError, MissingExtraError
from dlpo_serving.engine import Floats
from dlpo_serving.engines.onnx_engine import OnnxSentenceGraphs, failed_run

if TYPE_CHECKING:
    from openvino import Core, InferRequest

OpenVinoPrecision = Literal["bf16", "fp32"]


def import_openvino() -> ModuleType:
    """The package `openvino`, kept from reporting its import to its makers over the network.

    Raises:
        MissingExtraError: it is not installed.
    """
    # Where this package can't be imported, OpenVINO takes a stub of its own that sends nothing.
    reporter = "openvino_telemetry"
    silenced = sys.modules.setdefault(reporter, None) is None  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("openvino", "openvino") from error
    finally:
        if silenced:
            del sys.modules[reporter]
    module: ModuleType = openvino
    return module


class OpenVinoEngine(OnnxSentenceGraphs):
    """Denoisers on one core with OpenVINO; encoder and frames with onnxruntime.

    The default denoiser is compiled at once; another number of steps when it is first asked for.
    See `Engine` for the methods.
    """

    def __init__(self, bundle: Bundle, precision: OpenVinoPrecision = "bf16") -> None:
        """Load and compile the graphs.

        Raises:
            EngineError: the CPU does not compute in bf16, or a graph can't be compiled.
            MissingExtraError: openvino or onnxruntime is not installed.
        """
        openvino = import_openvino()
        self._core = openvino.Core()
        if precision == "bf16":
            _check_bf16(self._core)
        self._denoiser_precision = precision
        self._requests: dict[int, InferRequest] = {}
        super().__init__(bundle, "fp32")  # bundles have no bf16
        self._request(bundle.manifest.steps)

    def context_frames(self, steps: int) -> int:
        return self.manifest.context_frames(steps)

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        inputs = {"conditioning": conditioning, "source": source, "noise": noise}
        request = self._request(steps)
        try:
            # The inputs are only read; the output is OpenVINO's memory and is copied out of it.
            results = request.infer(inputs, share_inputs=True)
        except Exception as error:  # OpenVINO raises RuntimeError and others
            raise failed_run(f"denoiser_{steps}", "OpenVINO", inputs, error) from error
        waveform: Floats = results["waveform"]
        return waveform

    def _request(self, steps: int) -> InferRequest:
        if steps not in self._requests:
            path = self._bundle.graph_path(f"denoiser_{steps}")
            self._requests[steps] = _compile(self._core, path, self._denoiser_precision)
        return self._requests[steps]


def check_openvino(bf16: bool) -> None:
    """Whether OpenVINO is here, and the CPU computes in bf16 if it is asked to.

    Raises:
        EngineError: it does not.
        MissingExtraError: openvino is not installed.
    """
    core = import_openvino().Core()
    if bf16:
        _check_bf16(core)


def _check_bf16(core: Core) -> None:
    import openvino.properties.device as device

    capabilities = core.get_property("CPU", device.capabilities)
    if "BF16" not in capabilities:
        raise EngineError(
            f"this CPU does not compute in bf16 (OpenVINO sees {', '.join(capabilities)}); use"
            " --engine openvino --precision fp32, or --engine cpu"
        )


def _compile(core: Core, path: Path, precision: OpenVinoPrecision) -> InferRequest:
    import openvino
    import openvino.properties as properties
    import openvino.properties.hint as hint

    settings = {
        hint.inference_precision: openvino.Type.bf16 if precision == "bf16" else openvino.Type.f32,
        hint.performance_mode: hint.PerformanceMode.LATENCY,
        properties.inference_num_threads: 1,
        properties.num_streams: 1,
    }
    try:
        return core.compile_model(path, "CPU", settings).create_infer_request()
    except Exception as error:  # OpenVINO raises RuntimeError and others
        raise EngineError(
            f'{path}: OpenVINO can\'t compile it ({error}); export again with "dlpo export"'
        ) from error
