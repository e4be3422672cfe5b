"""The front of a voice inside a Triton server: text in, audio out chunk by chunk (decoupled).

`dlpo export --triton` writes a repository whose front model is this class; Triton finds it by its
name. It runs in Triton's Python backend, where dlpo has to be installed.
"""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from dlpo.bundle import MANIFEST, Manifest, Precision
from dlpo.errors import DlpoError, EngineError
from dlpo.text import Sentence, TextFrontEnd, Word
from dlpo.text.symbols import MARKS, PHONEMES
from dlpo_serving.engine import Floats, Ids
from dlpo_serving.engines.buckets import Buckets, PaddedInputs, Piece, denoise_in_buckets
from dlpo_serving.engines.onnx_engine import SentenceGraphs
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.request import SpeechRequest, check_request
from dlpo_serving.synthesis.job import AudioChunk
from dlpo_serving.synthesizer import PreparedRequest, Synthesizer

# Every graph is a model of Triton's, called from within (BLS). Triton runs the graphs on its own
# devices and batches the windows of all streams; text, noise and harmonic source are for Python.


Values = Mapping[str, Floats | Ids]


class TritonEngine(SentenceGraphs):
    """See `Engine` for the methods; safe to share by threads."""

    max_batch = 1  # of the utterance that asks: Triton batches those of all

    def __init__(
        self,
        manifest: Manifest,
        prefix: str,
        triton: Any,
        precision: Precision = "fp32",
        unused: Collection[str] = (),
        buckets: Mapping[str, Buckets] | None = None,
    ) -> None:
        """An engine that calls the models `{prefix}_{graph}`.

        Args:
            manifest: of the bundle that the models were written from.
            triton: the module `triton_python_backend_utils`, which exists only inside the server.
            precision: of the denoiser models.
            unused: inputs that the voice's graphs do not have, such as `frames.pitch`.
            buckets: denoisers that are TensorRT plans, by graph, and the shapes that they take;
                their noise is (K, B, F, hop_length), that of the others (B, K, F, hop_length).
        """
        super().__init__(manifest)
        self._prefix = prefix
        self._triton = triton
        self._precision = precision
        self._unused = frozenset(unused)
        self._buckets = buckets or {}

    def context_frames(self, steps: int) -> int:
        return self.manifest.context_frames(steps, self._precision)

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        graph = f"denoiser_{steps}"
        if graph in self._buckets:
            return self._denoise_in_buckets(graph, steps, conditioning, source, noise)
        batch_first = noise.swapaxes(0, 1)  # Triton batches along the first axis of every input
        inputs = {"conditioning": conditioning, "source": source, "noise": batch_first}
        (waveform,) = self._run(graph, inputs)
        return waveform

    def _denoise_in_buckets(
        self, graph: str, steps: int, conditioning: Floats, source: Floats, noise: Floats
    ) -> Floats:
        def run(piece: Piece) -> Floats:
            shape = conditioning.shape[1], len(noise), noise.shape[3]
            padded = PaddedInputs.zeros(piece.bucket, *shape)
            padded.fill(piece, conditioning, source, noise)
            (made,) = self._run(graph, padded._asdict())
            return made

        margin = self.context_frames(steps)
        return denoise_in_buckets(run, self._buckets[graph], margin, source.shape)

    def _run(self, graph: str, inputs: Values) -> list[Floats]:
        triton = self._triton
        outputs = self._outputs(graph)
        request = triton.InferenceRequest(
            model_name=f"{self._prefix}_{graph}",
            requested_output_names=outputs,
            inputs=[
                triton.Tensor(name, np.ascontiguousarray(value))
                for name, value in inputs.items()
                if f"{graph}.{name}" not in self._unused
            ],
            # The front computes with numpy: results on a GPU come back to host memory.
            preferred_memory=triton.PreferredMemory(triton.TRITONSERVER_MEMORY_CPU, 0),
        )
        response = request.exec()
        if response.has_error():
            shapes = {name: value.shape for name, value in inputs.items()}
            raise EngineError(
                f"{self._prefix}_{graph}: Triton failed on {shapes}: {response.error().message()}"
            )
        found = (triton.get_output_tensor_by_name(response, name) for name in outputs)
        # Copies: Triton's memory goes with the response.
        return [np.array(tensor.as_numpy()) for tensor in found]


DEFAULT_MAX_STREAMS = 64


class TritonPythonModel:
    """One thread a stream; the graphs are other models of the same server, see `TritonEngine`."""

    def __init__(self, triton: Any = None) -> None:
        """`triton`: replaces the module `triton_python_backend_utils` in tests."""
        # The module exists only inside the server, so no type checker can know it.
        self._triton = triton or importlib.import_module("triton_python_backend_utils")
        self._threads: set[threading.Thread] = set()

    def initialize(self, args: dict[str, str]) -> None:
        """Called by Triton when the model is loaded: read the manifest beside `model.py`."""
        folder = Path(args["model_repository"], args["model_version"])
        manifest, _ = Manifest.from_json((folder / MANIFEST).read_bytes())
        config = json.loads(args["model_config"])
        parameters = {k: v["string_value"] for k, v in config.get("parameters", {}).items()}
        self._max_streams = int(parameters.get("max_streams", DEFAULT_MAX_STREAMS))
        self._free = threading.BoundedSemaphore(self._max_streams)
        unused = parameters.get("unused_inputs", "").split()
        precision = cast(Precision, parameters.get("precision", "fp32"))
        buckets = {
            key.removeprefix("frames_of_"): Buckets(tuple(map(int, value.split())), (1,))
            for key, value in parameters.items()
            if key.startswith("frames_of_")
        }
        engine = TritonEngine(
            manifest, args["model_name"], self._triton, precision, unused, buckets
        )
        self._synthesizer = Synthesizer(engine, TextFrontEnd(manifest.dictionary))

    def execute(self, requests: list[Any]) -> None:
        """Called by Triton for every call; returns at once, the audio comes from threads."""
        for request in requests:
            sender = request.get_response_sender()
            if not self._free.acquire(blocking=False):
                message = f"all {self._max_streams} streams are busy; try again later"
                self._fail(sender, message, self._triton.TritonError.UNAVAILABLE)
                continue
            # Read here: Triton takes the inputs back when this method returns.
            values = self._values(request)
            thread = threading.Thread(target=self._speak, args=(values, sender))
            self._threads = {t for t in self._threads if t.is_alive()} | {thread}
            thread.start()

    def finalize(self) -> None:
        """Called by Triton before the model goes: let running streams end."""
        for thread in self._threads:
            thread.join()

    def _speak(self, values: dict[str, Any], sender: Any) -> None:
        codes = self._triton.TritonError
        try:
            for chunk in self._synthesizer.stream(read_utterance(self._synthesizer, values)):
                if sender.is_cancelled():
                    break
                sender.send(self._response(chunk))
            sender.send(flags=self._triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        except RequestError as error:
            self._fail(sender, str(error), codes.INVALID_ARG)
        except DlpoError as error:
            self._fail(sender, str(error), codes.INTERNAL)
        except Exception as error:  # else the client would wait for ever
            self._fail(sender, f"{type(error).__name__}: {error}", codes.INTERNAL)
            raise
        finally:
            self._free.release()

    def _values(self, request: Any) -> dict[str, Any]:
        """The inputs that the client gave, as Python values."""
        values: dict[str, Any] = {}
        for name in ("text", "phonemes", *SETTINGS):
            tensor = self._triton.get_input_tensor_by_name(request, name)
            if tensor is not None:
                value = tensor.as_numpy().ravel()[0]
                values[name] = value.decode() if isinstance(value, bytes) else value.item()
        return values

    def _response(self, chunk: AudioChunk) -> Any:
        rate = self._synthesizer.manifest.sample_rate_hz
        outputs = {
            "audio": chunk.samples,
            "sample_offset": np.array([chunk.sample_offset], np.int64),
            "sample_rate_hz": np.array([rate], np.int32),
        }
        tensors = [self._triton.Tensor(name, value) for name, value in outputs.items()]
        return self._triton.InferenceResponse(output_tensors=tensors)

    def _fail(self, sender: Any, message: str, code: Any) -> None:
        error = self._triton.TritonError(message, code)
        response = self._triton.InferenceResponse(output_tensors=[], error=error)
        sender.send(response, flags=self._triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


BOUNDARY = "|"  # between two words without a pause, in the input `phonemes`
SETTINGS = ("speed", "pitch_semitones", "seed", "steps")


def read_utterance(synthesizer: Synthesizer, values: Mapping[str, Any]) -> PreparedRequest:
    """The utterance that the inputs of one call describe.

    Args:
        values: `text` or `phonemes`, and any of `SETTINGS`, by name.

    Raises:
        RequestError: naming every field that is wrong.
    """
    texts = {name: values[name] for name in ("text", "phonemes") if name in values}
    if len(texts) != 1:
        message = f"got {' and '.join(texts) or 'neither'}; expected either text or phonemes"
        raise RequestError(FieldViolation("text", message))
    settings = {name: values[name] for name in SETTINGS if name in values}
    if "text" in texts:
        return synthesizer.read(SpeechRequest(texts["text"], **settings))
    request = SpeechRequest("", **settings)
    check_request(request, synthesizer.manifest)
    sentences = phoneme_sentences(texts["phonemes"])
    steps = request.steps or synthesizer.manifest.steps
    return PreparedRequest(request, sentences, steps)


def phoneme_sentences(written: str) -> tuple[Sentence, ...]:
    """ARPAbet with stress -> sentences, one a line.

    A word ends with one of `, ; : . ! ? -` or, where no pause follows, with `|`; the end of a line
    needs none.

    Raises:
        RequestError: a symbol is none, or nothing is said.

    >>> [word.mark for word in phoneme_sentences("DH AH0 | F AA1 K S")[0].words]
    [' ', '.']
    """
    found = tuple(_sentence(line) for line in written.splitlines() if line.strip())
    if not found:
        raise RequestError(
            FieldViolation("phonemes", "is empty; expected such as 'HH AH0 L OW1 .'")
        )
    return found


def _sentence(line: str) -> Sentence:
    words: list[Word] = []
    phonemes: list[str] = []
    for symbol in line.split():
        if symbol in PHONEMES:
            phonemes.append(symbol)
        elif (mark := " " if symbol == BOUNDARY else symbol) in MARKS and phonemes:
            words.append(_word(phonemes, mark))
            phonemes = []
        else:
            message = (
                f"{symbol!r} is no phoneme, or a mark without a word before it; expected ARPAbet "
                f"with stress and one of {' '.join((BOUNDARY, *MARKS[1:]))} after each word"
            )
            raise RequestError(FieldViolation("phonemes", message))
    if phonemes:
        words.append(_word(phonemes, "."))
    elif words[-1].mark == " ":  # a boundary, but no word follows
        words[-1] = replace(words[-1], mark=".")
    return Sentence(line, " ".join(word.word for word in words), tuple(words))


def _word(phonemes: list[str], mark: str) -> Word:
    return Word(" ".join(phonemes), tuple(phonemes), mark, 0, 0)
