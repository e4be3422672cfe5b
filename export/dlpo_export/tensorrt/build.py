"""From an ONNX graph to a TensorRT plan for the GPU of this machine.

TensorRT 11 supports only strongly typed networks: the plan computes in the graph's types, and there
are no precision flags. Calls are checked against the real bindings of 10.9 and 11.4.
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dlpo.errors import BundleError, EngineError
from dlpo.nvidia import collecting_logger
from dlpo_export.tensorrt.options import TensorrtOptions

if TYPE_CHECKING:
    import onnx

_OUT_OF_MEMORY = re.compile(
    r"out ?of ?memory|insufficient memory|memoryallocation|failed_allocation|bad_alloc", re.I
)
WORKSPACE_BYTES = 2 << 30  # of the GPU's memory, for one layer while the engine runs
_LAST_MESSAGES = 5  # of TensorRT, quoted in an error


def build_plan(
    trt: ModuleType, model: onnx.ModelProto, options: TensorrtOptions, timings: bytes = b""
) -> tuple[bytes, bytes]:
    """Build the engine of one graph with a profile for each bucket.

    Args:
        trt: the module, from `dlpo.nvidia.load_tensorrt`.
        model: with its weights inside; see `load_for_tensorrt`. In the shapes of its inputs `B` is
            the batch and `F` the frames.
        timings: a timing cache of an earlier build; ignored if from another GPU or version.

    Returns:
        The plan and the timing cache, which holds the earlier timings and the new ones.

    Raises:
        BundleError: the parser rejects the graph.
        EngineError: the build failed; if memory ran out, the message says what to lower.
    """
    name = model.graph.name
    logger = collecting_logger(trt)
    builder, network = _parse(trt, model, logger)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    config.clear_flag(trt.BuilderFlag.TF32)  # on by default, but fp32 must be fp32
    # One profile per bucket, with a single shape, in the order that `PlanInfo` promises.
    for batch in options.batch:
        for frames in options.frames:
            profile = builder.create_optimization_profile()
            lengths = {"B": batch, "F": frames}
            for value in model.graph.input:
                dims = value.type.tensor_type.shape.dim
                shape = tuple(lengths[d.dim_param] if d.dim_param else d.dim_value for d in dims)
                profile.set_shape(value.name, shape, shape, shape)
            if config.add_optimization_profile(profile) < 0:
                raise EngineError(
                    f"{name}: TensorRT refuses the profile of {batch} x {frames} frames"
                )
    cache = config.create_timing_cache(timings)
    if cache is None or not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise _failed(name, logger, "TensorRT could not build it", options)
    return bytes(plan), bytes(config.get_timing_cache().serialize())


def parse_graph(trt: ModuleType, model: onnx.ModelProto) -> int:
    """The number of layers TensorRT makes of a graph.

    Raises:
        BundleError: the parser rejects the graph.
        EngineError: TensorRT can't start.
    """
    _, network = _parse(trt, model, collecting_logger(trt))
    return int(network.num_layers)


def _parse(trt: ModuleType, model: onnx.ModelProto, logger: Any) -> tuple[Any, Any]:
    """A builder, and the graph parsed into its network."""
    name = model.graph.name
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # the bindings raise it for a null pointer
        raise _failed(name, logger, "TensorRT can't start; is there a GPU and a driver?") from error
    typed = trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED  # 11 knows nothing else
    network = builder.create_network(1 << int(typed))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model.SerializeToString()):
        raise BundleError(f"{name}: TensorRT refuses it:{_parser_errors(parser)}")
    return builder, network


def _parser_errors(parser: Any) -> str:
    lines = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        where = f"{error.node_name() or 'graph'} ({error.node_operator()})"
        lines.append(f"\n  {where}: {error.desc()} [{error.code().name}]")
    return "".join(lines)


def _failed(
    name: str, logger: Any, what: str, options: TensorrtOptions | None = None
) -> EngineError:
    said = "; ".join(logger.messages[-_LAST_MESSAGES:]) or "it said nothing"
    advice = ""
    if options is not None and _OUT_OF_MEMORY.search(said):
        advice = (
            f"; the GPU's memory ran out: free it, or lower the largest frames"
            f" ({options.frames[-1]}) or the largest batch ({options.batch[-1]})"
        )
    return EngineError(f"{name}: {what} ({said}){advice}")
