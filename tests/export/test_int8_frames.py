"""The frames graph in 8 bits: F0 and voicing as in float32, and blocks as the whole sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo.text import TextFrontEnd
from dlpo_export.parity.divergence import sqnr_db
from dlpo_export.parity.metrics import f0_error_cents, wrong_voicing
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.quantise import F0_CENTS, to_int8
from dlpo_serving.engine import EncoderOutput, FrameFeatures, Ids
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.synthesis.denoiser_input import pitch_noise
from dlpo_serving.synthesis.timing import whole_frames
from dlpo_serving.voices import find_voice

TEXT = "The quick brown fox jumps over the lazy dog, and it never looks back at the old bridge."
Inputs = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    """One convolution for the conditioning, with a GELU behind it, and one for log F0."""
    rng = np.random.default_rng(0)
    spread = (0.5 * rng.standard_normal((8, 8, 1))).astype(np.float32)
    pitch = np.zeros((1, 8, 1), np.float32)
    pitch[0, 0] = 1.0
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 20]>
        toy (float[1, 8, F] x) => (float[1, 8, F] conditioning, float[1, 1, F] f0) {
            [spread] spreaded = Conv(x, spread)
            conditioning = Gelu(spreaded)
            sizes = Abs(x)
            [pitch] log_f0 = Conv(sizes, pitch)
            f0 = Exp(log_f0)
        }
    """)
    weights = {"spread": spread, "pitch": pitch}
    model.graph.initializer.extend(numpy_helper.from_array(w, n) for n, w in weights.items())
    return model


@pytest.fixture(scope="module")
def spoken() -> list[Inputs]:
    """The first channel is log F0, about 200 Hz; 8 bits of its range are 40 cents apart."""
    rng = np.random.default_rng(1)
    made = 3 * rng.standard_normal((2, 1, 8, 40)).astype(np.float32)
    made[:, :, 0] = 5.3 + 0.1 * made[:, :, 0]
    return [{"x": x} for x in made]


def test_a_layer_whose_rounding_moves_f0_stays_in_float32(
    model: onnx.ModelProto, spoken: list[Inputs]
) -> None:
    made, measured = to_int8(model, spoken)
    noise = {layer.node: layer for layer in measured}
    assert noise["pitch"].f0_cents > F0_CENTS > noise["spread"].f0_cents == 0
    producers = {output: node.op_type for node in made.graph.node for output in node.output}
    reads = {node.name: producers.get(node.input[0]) for node in made.graph.node}
    assert reads["spread"] == "DequantizeLinear"
    assert reads["pitch"] == "Abs"


@pytest.fixture(scope="module")
def engines() -> tuple[OnnxEngine, OnnxEngine]:
    """The embedded voice in float32 and in 8 bits."""
    bundle = Bundle.load(find_voice(DEFAULT_VOICE))
    return OnnxEngine(bundle, "fp32"), OnnxEngine(bundle, "int8")


@pytest.fixture(scope="module")
def encoded(engines: tuple[OnnxEngine, OnnxEngine]) -> tuple[EncoderOutput, Ids]:
    (sentence,) = TextFrontEnd().process(TEXT).sentences
    ids = np.array([sentence.symbol_ids()], np.int64)
    encoding = engines[0].encode(ids, pitch_noise(engines[0].manifest, ids.shape[1], 0, index=0))
    return encoding, whole_frames(encoding.durations[0])


def spoken_frames(
    engine: OnnxEngine,
    encoded: tuple[EncoderOutput, Ids],
    first: int,
    last: int,
    pitch: float = 0.0,
) -> FrameFeatures:
    encoding, counts = encoded
    return engine.frames(encoding, counts, first, last, pitch)


def voicing_logit(engine: OnnxEngine, encoded: tuple[EncoderOutput, Ids]) -> NDArray[np.float32]:
    """(F,) float32 of the whole sentence: a frame is voiced where it is above 0."""
    encoding, counts = encoded
    graph = onnx.load(Bundle.load(find_voice(DEFAULT_VOICE)).graph_path("frames", "fp32"))
    cast = {node.input[0] for node in graph.graph.node if node.op_type == "Cast"}
    (compared,) = (n for n in graph.graph.node if n.op_type == "Greater" and n.output[0] in cast)
    inputs = {
        "hidden": encoding.hidden, "durations": counts[None].astype(np.float32),
        "ranges": encoding.ranges, "pitch": np.zeros(1, np.float32),
        "positions": np.arange(counts.sum(), dtype=np.float32) + np.float32(0.5),
        **engine.manifest.voice_input(),
    }  # fmt: skip
    return OpenGraph(graph, compared.input[:1], fuse=False).run(inputs)[compared.input[0]].ravel()


@pytest.mark.parametrize("pitch", [-6.0, 0.0, 6.0])
def test_embedded_voice_has_the_f0_of_float32(
    engines: tuple[OnnxEngine, OnnxEngine], encoded: tuple[EncoderOutput, Ids], pitch: float
) -> None:
    frames = int(encoded[1].sum())
    exact, rounded = (spoken_frames(engine, encoded, 0, frames, pitch) for engine in engines)
    assert f0_error_cents(rounded.f0, exact.f0) < 0.1
    decided = np.abs(voicing_logit(engines[0], encoded)) > 0.4  # 6 % of what is usual
    assert decided.mean() > 0.95
    assert wrong_voicing(rounded.f0[:, decided], exact.f0[:, decided]) == 0
    assert 22 < sqnr_db(rounded.conditioning, exact.conditioning) < 40  # in 8 bits it is


def test_blocking_error_is_below_that_of_8_bits(
    engines: tuple[OnnxEngine, OnnxEngine], encoded: tuple[EncoderOutput, Ids]
) -> None:
    exact, engine = engines
    frames = int(encoded[1].sum())
    size = 64
    context = engine.manifest.frames_context
    assert context is not None
    whole = spoken_frames(engine, encoded, 0, frames)
    conditioning, f0 = [], []
    for start in range(0, frames, size):
        stop = min(start + size, frames)
        first, last = max(0, start - context), min(stop + context, frames)
        block = spoken_frames(engine, encoded, first, last)
        conditioning.append(block.conditioning[:, :, start - first : stop - first])
        f0.append(block.f0[:, start - first : stop - first])
    rounding = sqnr_db(whole.conditioning, spoken_frames(exact, encoded, 0, frames).conditioning)
    assert sqnr_db(np.concatenate(conditioning, axis=2), whole.conditioning) > rounding
    assert wrong_voicing(np.concatenate(f0, axis=1), whole.f0) == 0


def test_a_voice_in_8_bits_has_all_its_graphs_in_8_bits(tiny_bundle: Path) -> None:
    graphs = Bundle.load(tiny_bundle).manifest.graphs
    assert all({"fp32", "int8"} <= set(graph.files) for graph in graphs.values())
