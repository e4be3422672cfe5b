"""The front of a voice inside a Triton server: text in, audio out chunk by chunk (decoupled).

`dlpo export --triton` writes a repository whose front model is this class; Triton finds it by its
name. It runs in Triton's Python backend, where dlpo has to be installed.
"""

from __future__ import annotations

import importlib
import json
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np

from dlpo.bundle import MANIFEST, Manifest, Precision
from dlpo.errors import DlpoError
from dlpo.text import TextFrontEnd
from dlpo_serving.engines.buckets import Buckets
from dlpo_serving.errors import RequestError
from dlpo_serving.synthesis.job import AudioChunk
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.triton.engine import TritonEngine
from dlpo_serving.triton.request import SETTINGS, read_utterance

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
