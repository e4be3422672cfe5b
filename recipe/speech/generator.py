"""The costly part of Kokoro, its generator's residual blocks, in torch with fast convolutions.

onnxruntime keeps the rest of the graph, cut in three. Same weights and arithmetic as the float
graph; rounding differs in the sixth digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from recipe.speech.convolution import Convolution
from recipe.speech.float_graph import keep_used

AT = "/decoder/decoder/generator/"
STYLE = "/decoder/Slice_output_0"  # (1, 128)
EPSILON = 1e-5  # of the graph's instance norms
CHUNK = 4096  # samples at a time where a pass over all would leave the cache
STAGES = (
    ("noise_res.0", ("resblocks.0", "resblocks.1", "resblocks.2")),
    ("noise_res.1", ("resblocks.3", "resblocks.4", "resblocks.5")),
)
SOURCES = tuple(f"{AT}noise_convs.{stage}/Conv_output_0" for stage in range(2))
RAISED = (f"{AT}ups.0/ConvTranspose_output_0", f"{AT}reflection_pad/Pad_output_0")
MIXED = (f"{AT}Div_2_output_0", f"{AT}Div_4_output_0")  # what a stage gives


class ResidualBlock:
    """Three times: norm by style, snake, dilated convolution, norm, snake, convolution, sum."""

    def __init__(self, name: str, nodes: Mapping[str, Any], constants: Mapping[str, Any]) -> None:
        self._layers = []
        for i in range(3):
            for half in (1, 2):
                node = nodes[f"{AT}{name}/convs{half}.{i}/Conv_output_0"]
                product = nodes[f"{AT}{name}/adain{half}.{i}/fc/Gemm_output_0_MatMul"]
                at = f"decoder.decoder.generator.{name}"
                style = [constants[product.input[1]], constants[f"{at}.adain{half}.{i}.fc.bias"]]
                self._layers.append((
                    *(torch.tensor(value) for value in style),
                    torch.tensor(constants[f"{at}.alpha{half}.{i}"]).flatten(),
                    _convolution(node, constants),
                ))  # fmt: skip

    def __call__(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """(T, C), (1, 128) -> (T, C)."""
        for first, second in zip(self._layers[::2], self._layers[1::2], strict=True):
            x = x + _layer(_layer(x, style, *first), style, *second)
        return x


def _layer(
    x: torch.Tensor,
    style: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    alpha: torch.Tensor,
    convolution: Convolution,
) -> torch.Tensor:
    """Norm by style, y + sin(alpha y)^2 / alpha, convolution.

    sin^2 is (1 - cos 2 alpha y) / 2, so each sample costs one cosine and three multiplications.
    """
    variance, mean = torch.var_mean(x, 0, correction=0)
    gain, offset = (style @ weight + bias)[0].chunk(2)
    scale = (1 + gain) / torch.sqrt(variance + EPSILON)
    shift = offset - mean * scale
    padded = x.new_zeros(len(x) + 2 * convolution.margin, x.shape[1])
    inner = padded[convolution.margin : convolution.margin + len(x)]
    for at in range(0, len(x), CHUNK):
        part, out = x[at : at + CHUNK], inner[at : at + CHUNK]
        wave = torch.addcmul(2 * alpha * shift, part, 2 * alpha * scale).cos_()
        torch.addcmul(shift + 0.5 / alpha, part, scale, out=out)
        out.addcmul_(wave, -0.5 / alpha)
    return convolution(padded)


def _convolution(node: Any, constants: Mapping[str, Any]) -> Convolution:
    (dilation,) = next(a.ints for a in node.attribute if a.name == "dilations")
    weight, bias = (constants[name].astype(np.float64) for name in node.input[1:3])
    return Convolution(weight, bias, dilation)


class Generator:
    """Kokoro's float graph with its residual blocks in torch."""

    def __init__(self, model: onnx.ModelProto, outputs: tuple[str, ...]) -> None:
        """Cut the graph.

        Args:
            model: what `to_float` returns.
            outputs: tensors of the first part to return beside the audio.
        """
        torch.set_num_threads(1)
        nodes = {name: node for node in model.graph.node for name in node.output}
        constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
        self._blocks = {
            name: ResidualBlock(name, nodes, constants)
            for noise, mixed in STAGES
            for name in (noise, *mixed)
        }
        self._extra = outputs
        self._before = _session(model, {}, (STYLE, *SOURCES, RAISED[0], *outputs))
        self._between = _session(model, {MIXED[0]: (1, 256, "T")}, RAISED[1:])
        self._after = _session(model, {MIXED[1]: (1, 128, "T")}, ("audio",))

    @torch.inference_mode()
    def run(self, given: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The audio and the tensors asked for, of one sentence."""
        style, first, second, raised, *extra = self._before.run(None, given)
        condition = torch.from_numpy(style)
        mixed = self._stage(0, raised, first, condition)
        (raised,) = self._between.run(None, {MIXED[0]: mixed})
        mixed = self._stage(1, raised, second, condition)
        (audio,) = self._after.run(None, {MIXED[1]: mixed})
        return [audio, *extra]

    def _stage(
        self, stage: int, raised: Any, source: Any, style: torch.Tensor
    ) -> NDArray[np.float32]:
        """(1, C, T) of the signal and of the source -> (1, C, T)."""
        noise, mixed = STAGES[stage]
        source, raised = (torch.from_numpy(value)[0].T.contiguous() for value in (source, raised))
        x = raised + self._blocks[noise](source, style)
        out = self._blocks[mixed[0]](x, style)
        for name in mixed[1:]:
            out += self._blocks[name](x, style)
        return np.ascontiguousarray((out / len(mixed)).numpy().T[None])


def _session(
    model: onnx.ModelProto, inputs: Mapping[str, tuple[int | str, ...]], outputs: tuple[str, ...]
) -> Any:
    """A one-thread session from some tensors of the graph, or its own inputs, to others."""
    import onnxruntime

    part = onnx.ModelProto()
    part.CopyFrom(model)
    nodes = [node for node in part.graph.node if not set(inputs) & set(node.output)]
    del part.graph.output[:]
    part.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    if inputs:
        del part.graph.input[:]
        part.graph.input.extend(
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            for name, shape in inputs.items()
        )
    keep_used(part.graph, nodes)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        part.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
