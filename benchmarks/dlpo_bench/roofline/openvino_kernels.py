"""Convolutions of OpenVINO, a chain of them, so that what comes between fuses as in a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import openvino
from openvino import opset15 as op

from dlpo_bench.roofline.kernels import CONVOLUTIONS, GIGA, KERNEL, Kernel, Kind

CHAIN = 6  # convolutions: the conversion of input and output hardly counts
_HINTS: dict[Kind, str] = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}


def openvino_kernels() -> Iterator[Kernel]:
    """fp32, bf16 and int8."""
    core = openvino.Core()
    random = np.random.default_rng(0)
    supported = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for kind, hint in _HINTS.items():
        if kind == "bf16" and "BF16" not in supported:
            continue  # it would compute in fp32
        for channels, positions in CONVOLUTIONS:
            model = _chain(channels, positions, kind, random)
            threads = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
            compiled = core.compile_model(
                model, "CPU", {**threads, "INFERENCE_PRECISION_HINT": hint}
            )
            request = compiled.create_infer_request()
            x = np.abs(random.standard_normal((1, channels, positions), np.float32))
            request.set_input_tensor(openvino.Tensor(x))
            work = CHAIN * 2 * KERNEL * channels**2 * positions / GIGA
            name = f"openvino {kind} {CHAIN} convolutions {channels}x{positions}"
            yield Kernel(name, kind, work, request.infer)


def _chain(channels: int, positions: int, kind: Kind, random: np.random.Generator) -> Any:
    weights = random.standard_normal((channels, channels, KERNEL), np.float32)
    start = op.parameter([1, channels, positions], np.float32)
    x = start
    for _ in range(CHAIN):
        w = op.constant(weights)
        if kind == "int8":
            x, w = _quantised(x, 0, 2.55, 256), _quantised(w, -4, 4, 255)
        x = op.relu(op.convolution(x, w, [1], [1], [1], [1]))
    return openvino.Model([x], [start])


def _quantised(x: Any, low: float, high: float, levels: int) -> Any:
    ends = np.float32(low), np.float32(high)
    return op.fake_quantize(x, *ends, *ends, levels)
