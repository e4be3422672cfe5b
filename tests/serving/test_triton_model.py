"""The Triton front streams, refuses and stops as it should; Triton itself is a recording here.

`tests/export/test_triton_server.py` runs the same class in a real tritonserver.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from dlpo.bundle import MANIFEST, Bundle
from dlpo.text import TextFrontEnd
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.triton.model import TritonPythonModel, phoneme_sentences

TEXT = "Hello there. Really?"
TIMEOUT_S = 20.0  # of a wait that must end


class Tensor(NamedTuple):
    name: str
    value: np.ndarray[Any, Any]

    def as_numpy(self) -> np.ndarray[Any, Any]:
        return self.value


class TritonError(NamedTuple):
    text: str
    code: str
    INVALID_ARG = "invalid argument"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"

    def message(self) -> str:
        return self.text


class InferenceResponse:
    def __init__(self, output_tensors: list[Tensor], error: TritonError | None = None) -> None:
        self.output_tensors = output_tensors
        self.error = lambda: error
        self.has_error = lambda: error is not None


class Triton:
    """The part of `triton_python_backend_utils` that the front uses; graphs run on onnxruntime."""

    TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
    TRITONSERVER_MEMORY_CPU = 0
    TritonError = TritonError
    Tensor = Tensor
    InferenceResponse = InferenceResponse

    def __init__(self, bundle: Bundle) -> None:
        self.engine = OnnxEngine(bundle, "fp32")
        self.plans = False  # denoisers take what TensorRT plans take
        self.frames: list[int] = []  # lengths of the windows that were denoised
        self.failing: str | None = None  # name of a model
        self.sent: dict[str, set[str]] = {}  # model -> names of its inputs

    @staticmethod
    def PreferredMemory(kind: int, device: int) -> tuple[int, int]:
        return kind, device

    @staticmethod
    def get_output_tensor_by_name(response: InferenceResponse, name: str) -> Tensor:
        return next(tensor for tensor in response.output_tensors if tensor.name == name)

    @staticmethod
    def get_input_tensor_by_name(request: Call, name: str) -> Tensor | None:
        value = request.values.get(name)
        if value is None:
            return None
        encoded = value.encode() if isinstance(value, str) else value
        return Tensor(name, np.array([encoded], object if isinstance(value, str) else None))

    def InferenceRequest(
        self,
        model_name: str,
        requested_output_names: list[str],
        inputs: list[Tensor],
        preferred_memory: tuple[int, int],
    ) -> SimpleNamespace:
        assert all(tensor.value.flags.c_contiguous for tensor in inputs)
        self.sent[model_name] = {tensor.name for tensor in inputs}
        return SimpleNamespace(
            exec=lambda: self._execute(model_name, requested_output_names, inputs)
        )

    def _execute(self, model: str, outputs: list[str], inputs: list[Tensor]) -> InferenceResponse:
        if model == self.failing:
            return InferenceResponse([], TritonError("out of memory", "internal"))
        feed = {tensor.name: tensor.value for tensor in inputs}
        if "noise" in feed and not self.plans:  # batch first in the repository
            feed["noise"] = np.ascontiguousarray(feed["noise"].swapaxes(0, 1))
        self.frames.append(feed.get("source", np.empty((0, 0))).shape[1])
        values = self.engine._run(model.removeprefix("lj_"), feed)
        return InferenceResponse([Tensor(n, v) for n, v in zip(outputs, values, strict=True)])


@dataclass
class Call:
    """One call of a client, and what came back."""

    values: Mapping[str, Any]
    chunks: list[dict[str, np.ndarray[Any, Any]]] = field(default_factory=list)
    errors: list[TritonError] = field(default_factory=list)
    finals: int = 0
    cancel_after: int | None = None
    gate: threading.Event | None = None
    """The first chunk is only taken once it is set."""

    def get_response_sender(self) -> Call:
        return self

    def is_cancelled(self) -> bool:
        return self.cancel_after is not None and len(self.chunks) >= self.cancel_after

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        if self.gate:
            assert self.gate.wait(TIMEOUT_S)
        assert not self.finals
        self.finals += flags
        if response and (error := response.error()):
            self.errors.append(error)
        elif response:
            self.chunks.append({tensor.name: tensor.value for tensor in response.output_tensors})


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


@pytest.fixture
def triton(bundle: Bundle) -> Triton:
    return Triton(bundle)


def front(bundle: Bundle, triton: Triton, folder: Path, **parameters: str) -> TritonPythonModel:
    (folder / "1").mkdir()
    (folder / "1" / MANIFEST).write_bytes((bundle.directory / MANIFEST).read_bytes())
    model = TritonPythonModel(triton)
    config = {"parameters": {key: {"string_value": value} for key, value in parameters.items()}}
    model.initialize(
        {
            "model_repository": str(folder),
            "model_version": "1",
            "model_name": "lj",
            "model_config": json.dumps(config),
        }
    )
    return model


@pytest.fixture
def model(bundle: Bundle, triton: Triton, tmp_path: Path) -> TritonPythonModel:
    return front(bundle, triton, tmp_path)


def run(model: TritonPythonModel, *calls: Call) -> None:
    model.execute(list(calls))
    model.finalize()


def test_the_stream_is_the_audio_of_the_voice(model: TritonPythonModel, bundle: Bundle) -> None:
    call = Call({"text": TEXT, "seed": np.uint32(3), "speed": np.float32(1.5)})
    run(model, call)

    expected = Synthesizer(OnnxEngine(bundle, "fp32"), TextFrontEnd()).speak(
        SpeechRequest(TEXT, seed=3, speed=1.5)
    )
    joined = np.concatenate([chunk["audio"] for chunk in call.chunks])
    np.testing.assert_allclose(joined, expected, atol=1e-4)
    assert len(call.chunks) > 1
    assert call.finals == 1
    assert call.chunks[1]["sample_offset"] == len(call.chunks[0]["audio"])


def test_plans_get_windows_of_their_lengths_and_the_audio_does_not_depend_on_these(
    bundle: Bundle, triton: Triton, tmp_path: Path
) -> None:
    triton.plans = True
    made = []
    for lengths in ((64, 128), (40, 56, 300)):
        triton.frames = []
        folder = tmp_path / str(lengths[0])
        folder.mkdir()
        call = Call({"text": TEXT})
        frames = " ".join(map(str, lengths))
        run(front(bundle, triton, folder, frames_of_denoiser_2=frames), call)
        made.append(np.concatenate([chunk["audio"] for chunk in call.chunks]))
        assert set(triton.frames) - {0} <= set(lengths)

    np.testing.assert_allclose(*made, atol=1e-4)
    # The start; the end of a sentence hears what is behind it, which is padding here.
    expected = Synthesizer(OnnxEngine(bundle, "fp32"), TextFrontEnd()).speak(SpeechRequest(TEXT))
    np.testing.assert_allclose(made[0][:1800], expected[:1800], atol=1e-4)


def test_a_graph_that_fails_is_told_with_its_name_and_inputs_that_it_lacks_are_not_sent(
    bundle: Bundle, triton: Triton, tmp_path: Path
) -> None:
    triton.failing = "lj_frames"
    call = Call({"text": TEXT})
    run(front(bundle, triton, tmp_path, unused_inputs="frames.pitch"), call)

    assert triton.sent == {
        "lj_encoder": {"phonemes", "voice"},
        "lj_frames": {"hidden", "durations", "ranges", "positions", "voice"},
    }
    assert call.finals == 1
    assert call.errors[0].code == TritonError.INTERNAL
    assert "lj_frames" in call.errors[0].text
    assert "out of memory" in call.errors[0].text


def test_calls_beyond_the_limit_are_refused_and_the_place_of_a_cancelled_one_is_free(
    bundle: Bundle, triton: Triton, tmp_path: Path
) -> None:
    model = front(bundle, triton, tmp_path, max_streams="1")
    gate = threading.Event()
    first, second = Call({"text": TEXT}, gate=gate, cancel_after=1), Call({"text": TEXT})
    third = Call({"text": "Hi."})
    model.execute([first, second])
    gate.set()
    model.finalize()
    run(model, third)

    assert second.errors[0].code == TritonError.UNAVAILABLE
    assert (len(first.chunks), first.finals, first.errors) == (1, 1, [])
    assert third.chunks


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "got neither"),
        ({"text": "Hi.", "phonemes": "HH AY1"}, "got text and phonemes"),
        ({"text": "Hi.", "speed": np.float32(np.nan)}, "speed: is nan"),
        ({"phonemes": "HH AY1", "steps": np.int32(7)}, "steps: is 7"),
        ({"text": "?!"}, "nothing in the text"),
        *(({"phonemes": text}, "phonemes") for text in (" \n ", "HH AY", "| HH AY1", "HH AY1 , .")),
    ],
)
def test_a_wrong_call_is_the_callers_fault(
    model: TritonPythonModel, values: dict[str, Any], message: str
) -> None:
    call = Call(values)
    run(model, call)

    assert call.errors[0].code == TritonError.INVALID_ARG
    assert message in call.errors[0].text
    assert call.finals == 1


def test_phonemes_become_sentences_of_words_with_marks() -> None:
    first, second = phoneme_sentences("HH AH0 L OW1 | DH EH1 R ,\n\nHH AY1 ! Y UW1 |")

    assert [(word.phonemes, word.mark) for word in first.words] == [
        (("HH", "AH0", "L", "OW1"), " "),
        (("DH", "EH1", "R"), ","),
    ]
    assert [word.mark for word in second.words] == ["!", "."]
