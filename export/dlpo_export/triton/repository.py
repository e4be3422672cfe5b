"""A model repository for Triton Inference Server from a bundle.

    DIR/{voice}/              text or phonemes -> audio in chunks: Python backend, decoupled
    DIR/{voice}_encoder/      the bundle's graphs: onnxruntime backend
    DIR/{voice}_frames/
    DIR/{voice}_denoiser_N/   its noise is (B, K, F, 300) here, so that Triton can batch streams

Every model has a file of the weights that it uses and no others. The denoisers' are alike, but they
are copies: the onnx package refuses links of both kinds, and object stores know neither.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import dlpo
from dlpo.bundle import MANIFEST, Bundle, PlanInfo, Precision, TensorInfo
from dlpo.errors import BundleError, InputError, MissingExtraError

if TYPE_CHECKING:
    import onnx

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")  # of a voice, as a model's name and folder
VERSION = "1"  # of every model; Triton wants a number
CONFIG = "config.pbtxt"
MADE_BY = "dlpo_bundle"  # the parameter that tells our models from others
WARM_UP_CHUNKS = (8, 64)  # frames; the first and the last rung of the ladder that streams
CPU_PARAMETERS = {"intra_op_thread_count": "1", "inter_op_thread_count": "1"}
GPU_PARAMETERS = {"cudnn_conv_algo_search": "1"}  # HEURISTIC: no benchmark at each new length
FRONT = '''"""The front of this voice; what it does is in dlpo, which has to be installed here."""

from dlpo_serving.triton.model import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''


WEIGHTS = "weights.bin"


Shape = Sequence[int | str]
TRITON_TYPES = {"float32": "TYPE_FP32", "int64": "TYPE_INT64"}  # NumPy's name -> Triton's
FRONT_INPUTS = {  # of one element each, none obligatory: the front says what is missing
    "text": "TYPE_STRING",
    "phonemes": "TYPE_STRING",
    "speed": "TYPE_FP32",
    "pitch_semitones": "TYPE_FP32",
    "seed": "TYPE_UINT32",
    "steps": "TYPE_INT32",
}
FRONT_OUTPUTS = {
    "audio": "TYPE_FP32",
    "sample_offset": "TYPE_INT64",
    "sample_rate_hz": "TYPE_INT32",
}


def write_triton_repository(
    bundle: Bundle,
    out: Path,
    precision: Precision | None = None,
    *,
    tensorrt: bool = False,
    max_batch: int = 8,
    max_streams: int = 64,
) -> Path:
    """Write a model repository that speaks with `bundle`'s voice, all or nothing.

    Args:
        out: a directory; replaced if all that it holds was written here.
        precision: of the denoisers; None is fp32. fp16 is for GPUs, int8 for CPUs.
        tensorrt: denoisers as the bundle's TensorRT plans. Streams are not batched then, and the
            server's TensorRT and GPU have to be those of the plans.
        max_batch: windows that Triton may denoise at once.
        max_streams: calls that the front speaks at the same time; more are refused.

    Returns:
        `out`, for `tritonserver --model-repository`.

    Raises:
        BundleError: a graph has no such precision or plan, or `out` is something else or can't be
            written.
        InputError: `max_batch` or `max_streams` is less than 1.
        MissingExtraError: onnx is not installed.
    """
    for name, value in (("max_batch", max_batch), ("max_streams", max_streams)):
        if value < 1:
            raise InputError(f"{name} is {value}; expected 1 or more")
    if not NAME.fullmatch(bundle.manifest.voice):
        raise BundleError(
            f"the voice is called {bundle.manifest.voice!r}, which can't name a Triton model; "
            "export it with --voice of letters, digits, _ and -"
        )
    _check_replaceable(out)
    precision = precision or "fp32"
    denoisers = [f"denoiser_{steps}" for steps in bundle.manifest.available_steps]
    paths = {graph: bundle.graph_path(graph) for graph in ("encoder", "frames")}
    by_graph = {graph: _plans(bundle, graph, precision) for graph in denoisers if tensorrt}
    paths |= {graph: bundle.graph_path(graph, precision) for graph in denoisers if not tensorrt}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".dlpo-", dir=out.parent) as scratch:
            made = Path(scratch) / "made"
            writer = _Writer(bundle, made, precision, max_batch)
            unused: list[str] = []
            for graph, plans in by_graph.items():
                writer.write_plans(graph, plans)
            for graph, path in paths.items():
                found = writer.write_graph(graph, path)
                known = [tensor.name for tensor in bundle.manifest.graphs[graph].inputs]
                unused += [f"{graph}.{name}" for name in known if name not in found]
            lengths = {f"frames_of_{g}": plans[0].frames for g, plans in by_graph.items()}
            buckets = {key: " ".join(map(str, frames)) for key, frames in lengths.items()}
            writer.write_front(unused, max_streams, buckets)
            made.chmod(0o755)
            if out.exists():
                out.rename(Path(scratch) / "replaced")
            made.rename(out)
    except OSError as error:
        raise BundleError(
            f"{out} can't be written ({error}); make room there or choose another place"
        ) from error
    return out


class _Writer:
    """The models of one repository, written into `folder`."""

    def __init__(self, bundle: Bundle, folder: Path, precision: Precision, max_batch: int) -> None:
        self._manifest = bundle.manifest
        self._precision: Precision = precision
        self._parameters = {
            MADE_BY: bundle.sha256,
            "dlpo_version": dlpo.__version__,
            "precision": precision,
        }
        self._directory = bundle.directory
        self._folder = folder
        self._max_batch = max_batch

    def write_front(
        self, unused: Sequence[str], max_streams: int, buckets: Mapping[str, str]
    ) -> None:
        name = self._manifest.voice
        parameters = {"max_streams": str(max_streams), "unused_inputs": " ".join(unused)}
        config = front_config(name, self._parameters | parameters | dict(buckets))
        version = self._model(name, config)
        (version / "model.py").write_text(FRONT, encoding="utf-8")
        shutil.copyfile(self._directory / MANIFEST, version / MANIFEST)

    def write_graph(self, graph: str, path: Path) -> list[str]:
        """One model; returns the names of its inputs."""
        try:
            import onnx
        except ImportError as error:
            raise MissingExtraError("onnx", "export") from error
        model = onnx.load(path)
        batched = graph.startswith("denoiser")
        if batched:
            batch_first(model, "noise")
        inputs, outputs = tensors(model.graph.input), tensors(model.graph.output)
        name = f"{self._manifest.voice}_{graph}"
        config = graph_config(
            name,
            inputs,
            outputs,
            max_batch=self._max_batch if batched else 0,
            # Encoder and frames are small: a GPU gains less on them than the copies cost.
            instances="KIND_AUTO" if batched else "KIND_CPU",
            parameters=self._parameters | CPU_PARAMETERS | (GPU_PARAMETERS if batched else {}),
            warm_up=self._warm_up_lengths(graph) if batched else (),
        )
        folder = (
            self._model(name, config) / "model.onnx"
        )  # a folder, as Triton wants it for several files
        folder.mkdir()
        onnx.save_model(model, folder / "model.onnx", save_as_external_data=True, location=WEIGHTS)
        return [tensor.name for tensor in inputs]

    def write_plans(self, graph: str, plans: Sequence[PlanInfo]) -> None:
        """One model with a plan for each kind of GPU."""
        known = self._manifest.graphs[graph]
        name = f"{self._manifest.voice}_{graph}"
        portable = [plan for plan in plans if plan.runs_on == "ampere_plus"]
        config = plan_config(
            name,
            known.inputs,
            known.outputs,
            profiles=len(plans[0].frames) * len(plans[0].batch),
            default=(*portable, *plans)[0].file,
            files={plan.compute_capability: plan.file for plan in reversed(plans)},
            parameters=self._parameters | {"tensorrt": plans[0].tensorrt},
        )
        version = self._model(name, config)
        for plan in plans:
            shutil.copyfile(self._directory / plan.file, version / plan.file)

    def _model(self, name: str, config: str) -> Path:
        version = self._folder / name / VERSION
        version.mkdir(parents=True)
        (self._folder / name / CONFIG).write_text(config, encoding="utf-8")
        return version

    def _warm_up_lengths(self, graph: str) -> list[int]:
        """Frames of the first window of a stream and of those in its middle."""
        steps = int(graph.removeprefix("denoiser_"))
        context = self._manifest.context_frames(steps, self._precision)
        first, last = WARM_UP_CHUNKS
        return [first + context, last + 2 * context]


def _plans(bundle: Bundle, graph: str, precision: Precision) -> list[PlanInfo]:
    plans = [p for p in bundle.manifest.plans if (p.graph, p.precision) == (graph, precision)]
    shapes = {(plan.frames, plan.batch) for plan in plans}
    if len(shapes) != 1:
        found = "plans of different buckets" if plans else "no TensorRT plan"
        raise BundleError(
            f"the bundle has {found} for {graph} in {precision}; build them alike with "
            f'"dlpo export BUNDLE --tensorrt --precision {precision}"'
        )
    return plans


def _check_replaceable(out: Path) -> None:
    if not out.exists():
        return
    models = sorted(out.iterdir()) if out.is_dir() else [out]
    for model in models:
        config = model / CONFIG
        if not config.is_file() or MADE_BY not in config.read_text(encoding="utf-8"):
            raise BundleError(
                f"{out} exists and {model.name!r} in it is no model written by dlpo; choose "
                "another folder, Triton takes several --model-repository, or delete it"
            )


def batch_first(model: onnx.ModelProto, name: str) -> None:
    """Let the graph take its input `name` as (B, K, F, 300) in place of (K, B, F, 300)."""
    from onnx import helper

    (value,) = (value for value in model.graph.input if value.name == name)
    k, b = value.type.tensor_type.shape.dim[:2]
    k_copy = type(k).FromString(k.SerializeToString())
    k.CopyFrom(b)
    b.CopyFrom(k_copy)
    for node in model.graph.node:
        for place, read in enumerate(node.input):
            if read == name:
                node.input[place] = f"{name}.planes_first"
    transpose = helper.make_node("Transpose", [name], [f"{name}.planes_first"], perm=[1, 0, 2, 3])
    model.graph.node.insert(0, transpose)


def tensors(values: Sequence[onnx.ValueInfoProto]) -> list[TensorInfo]:
    """Inputs or outputs of a graph as the ONNX file has them."""
    from onnx import helper

    return [
        TensorInfo(
            value.name,
            np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name,
            tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim),
        )
        for value in values
    ]


def graph_config(
    name: str,
    inputs: Sequence[TensorInfo],
    outputs: Sequence[TensorInfo],
    *,
    max_batch: int,
    instances: str,
    parameters: Mapping[str, str],
    warm_up: Iterable[int] = (),
) -> str:
    """Configuration of an ONNX graph on Triton's onnxruntime backend.

    Args:
        max_batch: 0 where Triton must not batch; else every tensor's first axis is the batch, and
            windows of the same length that wait at the same time run as one.
        instances: `KIND_CPU`, `KIND_GPU` or `KIND_AUTO`, a GPU where the host has one.
        warm_up: lengths F, frames, to run with zeros before the model is ready.
    """
    lines = [
        f'name: "{name}"',
        'backend: "onnxruntime"',
        f"max_batch_size: {max_batch}",
        *_tensors("input", inputs, batched=max_batch > 0),
        *_tensors("output", outputs, batched=max_batch > 0),
        *(["dynamic_batching { }"] if max_batch else []),
        *(_warm_up(frames, inputs) for frames in warm_up),
        *_common(instances, parameters),
    ]
    return "\n".join(lines) + "\n"


def plan_config(
    name: str,
    inputs: Sequence[TensorInfo],
    outputs: Sequence[TensorInfo],
    *,
    profiles: int,
    default: str,
    files: Mapping[str, str],
    parameters: Mapping[str, str],
) -> str:
    """Configuration of a TensorRT plan, whose axes Triton leaves as they are.

    Args:
        profiles: how many the plan has; Triton takes the one that fits a request.
        default: file for GPUs that are not in `files`.
        files: compute capability such as `9.0` -> file.
    """
    lines = [
        f'name: "{name}"',
        'backend: "tensorrt"',
        "max_batch_size: 0",
        *_tensors("input", inputs, batched=False),
        *_tensors("output", outputs, batched=False),
        f'default_model_filename: "{default}"',
        *(
            f'cc_model_filenames {{ key: "{capability}" value: "{file}" }}'
            for capability, file in files.items()
        ),
        *_common("KIND_GPU", parameters, [str(number) for number in range(profiles)]),
    ]
    return "\n".join(lines) + "\n"


def front_config(name: str, parameters: Mapping[str, str]) -> str:
    """Configuration of the front: any number of responses to a request, on the Python backend."""
    lines = [
        f'name: "{name}"',
        'backend: "python"',
        "max_batch_size: 0",
        "model_transaction_policy { decoupled: true }",
        *(
            f'input {{ name: "{tensor}" data_type: {kind} dims: [ 1 ] optional: true }}'
            for tensor, kind in FRONT_INPUTS.items()
        ),
        *(
            f'output {{ name: "{tensor}" data_type: {kind} dims: '
            f"[ {-1 if tensor == 'audio' else 1} ] }}"
            for tensor, kind in FRONT_OUTPUTS.items()
        ),
        *_common("KIND_CPU", parameters),
    ]
    return "\n".join(lines) + "\n"


def _common(
    instances: str, parameters: Mapping[str, str], profiles: Sequence[str] = ()
) -> list[str]:
    chosen = "".join(f' profile: "{number}"' for number in profiles)
    return [
        f"instance_group {{ count: 1 kind: {instances}{chosen} }}",
        "version_policy { latest { num_versions: 1 } }",
        *(
            f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}'
            for key, value in parameters.items()
        ),
    ]


def _tensors(kind: str, tensors: Sequence[TensorInfo], *, batched: bool) -> list[str]:
    return [
        f'{kind} {{ name: "{tensor.name}" data_type: {TRITON_TYPES[tensor.dtype]} '
        f"dims: [ {', '.join(map(str, _dims(tensor.shape, batched=batched)))} ] }}"
        for tensor in tensors
    ]


def _warm_up(frames: int, inputs: Sequence[TensorInfo]) -> str:
    tensors = (
        f'inputs {{ key: "{tensor.name}" value {{ data_type: {TRITON_TYPES[tensor.dtype]} dims: '
        f"[ {', '.join(str(frames if d < 0 else d) for d in _dims(tensor.shape, batched=True))} ] "
        "zero_data: true } }"
        for tensor in inputs
    )
    return f'model_warmup {{ name: "{frames} frames" batch_size: 1 {" ".join(tensors)} }}'


def _dims(shape: Shape, *, batched: bool) -> list[int]:
    """Without the batch axis, which Triton adds by itself; -1 for a length that varies."""
    return [-1 if isinstance(d, str) else d for d in shape[1 if batched else 0 :]]
