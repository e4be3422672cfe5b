"""lite's encoder and frames graph, with channels last, compute what the trained module computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from dlpo.bundle import Bundle
from dlpo.checkpoint import load_checkpoint
from dlpo.model.lite import LiteWaveGrad2
from dlpo_export.graphs import EncoderGraph, FramesGraph
from dlpo_export.lite_sentence import LiteSentence
from dlpo_serving.engines.onnx_engine import OnnxEngine


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path) -> LiteWaveGrad2:
    model = load_checkpoint(tiny_checkpoint).model
    assert isinstance(model, LiteWaveGrad2)
    return model.eval()


@pytest.mark.parametrize("symbols", [1, 12])
@torch.no_grad()
def test_rearranged_sentence_equals_the_model(model: LiteWaveGrad2, symbols: int) -> None:
    phonemes = torch.arange(1, 1 + symbols)[None]
    sentence = LiteSentence(model).eval()
    expected = EncoderGraph(model)(phonemes)
    for made, value in zip(EncoderGraph(sentence)(phonemes), expected, strict=True):
        torch.testing.assert_close(made, value, atol=1e-5, rtol=1e-5)
    hidden, _, ranges = expected
    durations = 1 + torch.arange(symbols)[None] % 3.0
    positions = torch.arange(int(durations.sum())) + 0.5
    given = (hidden, durations, ranges, positions, torch.tensor([3.0]))
    for made, value in zip(FramesGraph(sentence)(*given), FramesGraph(model)(*given), strict=True):
        torch.testing.assert_close(made, value, atol=1e-4, rtol=1e-4)


def test_a_voice_of_8_bit_weights_has_both_graphs_on_integers(every_precision: Bundle) -> None:
    bundle = every_precision
    for name in ("encoder", "frames"):
        assert {"fp32", "int8"} <= set(bundle.manifest.graphs[name].files)
        nodes = onnx.load(bundle.graph_path(name, "int8"), load_external_data=False).graph.node
        assert "MatMulIntegerToFloat" in {node.op_type for node in nodes}
    exact, rounded = (OnnxEngine(bundle, precision) for precision in ("fp32", "int8"))
    phonemes = 1 + np.arange(9)[None]
    np.testing.assert_allclose(
        rounded.encode(phonemes).durations, exact.encode(phonemes).durations, rtol=2e-3
    )
