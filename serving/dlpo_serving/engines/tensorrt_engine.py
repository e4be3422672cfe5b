"""The TensorRT engine: runs a bundle's plans, with CUDA graphs and without torch.

Calls are checked against the signatures of the real bindings, results against onnxruntime on a
simulated device; `dlpo export --check-tensorrt` and the tests marked `gpu` are for a real one.
"""

from __future__ import annotations

import logging

from dlpo.bundle import Bundle, Manifest, PlanInfo, Precision
from dlpo.errors import EngineError, InputError
from dlpo.nvidia import Gpu, find_gpu, load_cuda, load_tensorrt
from dlpo_serving.engine import Floats
from dlpo_serving.engines.buckets import Buckets, Piece, denoise_in_buckets
from dlpo_serving.engines.onnx_engine import OnnxSentenceGraphs, failed_run
from dlpo_serving.engines.tensorrt_runner import REBUILD, PlanRunner

_log = logging.getLogger(__name__)
PREFERENCE: tuple[Precision, ...] = ("fp16", "bf16", "fp32", "int8_symmetric")  # int8 last: opt-in


class TensorrtEngine(OnnxSentenceGraphs):
    """Denoisers on the GPU through plans; encoder and frames on the CPU.

    The plan of the default denoiser is loaded, and all its buckets run and captured, up front;
    plans for other numbers of steps on first use. See `Engine` for the methods.
    """

    def __init__(
        self,
        bundle: Bundle,
        precision: Precision | None = None,
        *,
        cuda_graphs: bool = True,
    ) -> None:
        """Load the graphs and the default plan.

        Args:
            bundle: with plans, as `dlpo export --tensorrt` writes it.
            precision: of the plan; None means the first available of `PREFERENCE`.
            cuda_graphs: False launches kernel by kernel, for debugging.

        Raises:
            EngineError: there is no GPU, no plan for it, or TensorRT rejects the plan.
            MissingExtraError: TensorRT, cuda-bindings or onnxruntime is not installed.
        """
        self._gpu = find_gpu()  # first: without a GPU, TensorRT need not be installed
        self._cuda = load_cuda()
        self._trt = load_tensorrt()
        self._version = str(self._trt.__version__)
        self._cuda_graphs = cuda_graphs
        self._runners: dict[int, tuple[PlanRunner, Buckets]] = {}
        graph = f"denoiser_{bundle.manifest.steps}"
        plan = choose_plan(bundle.manifest, graph, precision, self._gpu, self._version)
        super().__init__(bundle, plan.precision)
        self._runner(bundle.manifest.steps)

    @property
    def max_batch(self) -> int:
        _, buckets = self._runner(self.manifest.steps)
        return buckets.batch[-1]

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        runner, buckets = self._runner(steps)

        def run(piece: Piece) -> Floats:
            runner.inputs(piece.bucket).fill(piece, conditioning, source, noise)
            return runner.run(piece.bucket)

        margin = self.context_frames(steps)
        try:
            return denoise_in_buckets(run, buckets, margin, source.shape)
        except ValueError as error:  # from numpy: the arrays do not fit the buffers
            inputs = {"conditioning": conditioning, "source": source, "noise": noise}
            raise failed_run(f"denoiser_{steps}", "TensorRT", inputs, error) from error

    def close(self) -> None:
        """Free the GPU's memory; later calls raise EngineError."""
        for runner, _ in self._runners.values():
            runner.close()

    def _runner(self, steps: int) -> tuple[PlanRunner, Buckets]:
        if steps not in self._runners:
            self._runners[steps] = self._load(steps)
        return self._runners[steps]

    def _load(self, steps: int) -> tuple[PlanRunner, Buckets]:
        graph = f"denoiser_{steps}"
        plan = choose_plan(self.manifest, graph, self._precision, self._gpu, self._version)
        try:
            buckets = Buckets(plan.frames, plan.batch)
        except InputError as error:
            raise EngineError(f"{plan.file}: {error}; {REBUILD}") from error
        info = self.manifest.graphs[graph]
        shapes = {tensor.name: tensor.shape for tensor in (*info.inputs, *info.outputs)}
        try:
            content = (self._bundle.directory / plan.file).read_bytes()
        except OSError as error:
            raise EngineError(f"{plan.file} can't be read any more ({error})") from error
        try:
            runner = PlanRunner(
                self._trt,
                self._cuda,
                content,
                buckets,
                shapes,
                cuda_graphs=self._cuda_graphs,
            )
        except EngineError as error:
            raise EngineError(f"{plan.file}: {error}") from error
        _log.info("plan=%s gpu=%r precision=%s", plan.file, self._gpu.name, plan.precision)
        return runner, buckets


# A plan holds kernels chosen by measuring on one GPU with one TensorRT version. On others it would
# fail or be slow, so it is refused by name rather than tried.


def choose_plan(
    manifest: Manifest, graph: str, precision: Precision | None, gpu: Gpu, tensorrt: str
) -> PlanInfo:
    """The plan of a graph that runs here.

    Args:
        graph: such as `denoiser_3`.
        precision: None means the first available of `PREFERENCE`.
        tensorrt: the installed version, such as `11.4.0.106`.

    Raises:
        EngineError: none fits; says why for each, and how to build one.
    """
    plans = [p for p in manifest.plans if p.graph == graph and precision in (None, p.precision)]
    fitting = [plan for plan in plans if misfit(plan, gpu, tensorrt) is None]
    for wanted in (precision,) if precision else PREFERENCE:
        for plan in fitting:
            if plan.precision == wanted:
                return plan
    here = f"{gpu.name}, compute capability {gpu.compute_capability}, TensorRT {tensorrt}"
    why = "; ".join(f"{plan.file} {misfit(plan, gpu, tensorrt)}" for plan in plans)
    raise EngineError(
        f"the bundle has no TensorRT plan of {graph}{f' in {precision}' if precision else ''} for"
        f" this machine ({here}){': ' + why if why else ''}; {REBUILD}"
    )


def misfit(plan: PlanInfo, gpu: Gpu, tensorrt: str) -> str | None:
    """The reason why a plan does not run here, or None if it does."""
    if (plan.gpu, plan.compute_capability) != (gpu.name, gpu.compute_capability):
        return f"is for {plan.gpu} (compute capability {plan.compute_capability})"
    return None if plan.tensorrt == tensorrt else f"is for TensorRT {plan.tensorrt}"
