"""`config.pbtxt` of the models in a Triton repository, as protobuf text.

The schema is Triton's own `model_config.proto`; the tests parse every file with it and hold the
tensors against the ONNX graphs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dlpo.bundle import TensorInfo

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
