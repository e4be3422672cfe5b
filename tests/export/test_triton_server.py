"""A real tritonserver loads the repository, and its audio is the voice's.

The server is the one in nvidia-pytriton's wheel; docs/triton.md says how to install it. It has no
onnxruntime backend, so the graphs run as `triton_stand_in.py` on its Python backend: the front,
all tensors, batches and the stream are the real thing.
"""

from __future__ import annotations

import os
import queue
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlpo
import dlpo_serving
from dlpo.audio import Waveform
from dlpo.bundle import Bundle
from dlpo.text import TextFrontEnd
from dlpo_export.triton.repository import write_triton_repository
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer

VENV = Path(os.environ.get("DLPO_TRITON_VENV", "/var/tmp/dlpo/pytriton-venv"))
STARTED = "Started GRPCInferenceService"  # in the server's log, once every model is ready
TIMEOUT_S = 60.0  # of a wait that must end
TEXT = "Hello there. Really?"

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        not list(VENV.glob("lib/python*/site-packages/pytriton/tritonserver/bin/tritonserver")),
        reason=f"no tritonserver in {VENV}; docs/triton.md says how to install one",
    ),
]
grpcclient = pytest.importorskip("tritonclient.grpc", reason="pip install 'tritonclient[grpc]'")


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


@pytest.fixture(scope="module")
def server(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running server."""
    scratch = tmp_path_factory.mktemp("tritonserver")
    models = write_triton_repository(bundle, scratch / "models")
    stand_in = Path(__file__).with_name("triton_stand_in.py").read_text()
    for config in models.glob("*/config.pbtxt"):
        if "onnxruntime" in config.read_text():
            config.write_text(config.read_text().replace('"onnxruntime"', '"python"'))
            (config.parent / "1" / "model.py").write_text(stand_in)
    for package in (dlpo, dlpo_serving):  # in place of an installation
        source = Path(str(package.__file__)).parent
        (models / "lj" / "1" / source.name).symlink_to(source)
    triton = next(VENV.glob("lib/python*/site-packages/pytriton/tritonserver"))
    backend = scratch / "backends" / "python"
    backend.mkdir(parents=True)
    stub = triton / "python_backend_stubs" / triton.parts[-4].removeprefix("python")
    for source in (*(triton / "backends" / "python").glob("*.*"), *stub.iterdir()):
        (backend / source.name).symlink_to(source)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            triton / "bin" / "tritonserver",
            f"--model-repository={models}",
            f"--backend-directory={backend.parent}",
            f"--backend-config=python,shm-region-prefix-name=dlpo_{os.getpid()}_",
            f"--grpc-port={port}",
            "--grpc-address=127.0.0.1",
            "--allow-http=false",
            "--allow-metrics=false",
            "--exit-timeout-secs=5",
        ],
        env=os.environ | {"PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        log = []
        for line in process.stdout:
            log.append(line)
            if STARTED in line:
                break
        else:
            pytest.fail("".join(log))
        # Else the server would stop at a full pipe.
        with subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL):
            yield f"127.0.0.1:{port}"
            process.terminate()
            process.wait(TIMEOUT_S)
    finally:
        process.kill()
        process.stdout.close()


@pytest.fixture
def client(server: str) -> Iterator[Any]:
    with grpcclient.InferenceServerClient(server) as found:
        yield found


def speak_all(client: Any, calls: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Responses and errors of several calls that run at the same time, by name of the call."""
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    kinds = {"speed": "FP32", "pitch_semitones": "FP32", "seed": "UINT32", "steps": "INT32"}
    for name, values in calls.items():
        inputs = []
        for key, value in values.items():
            tensor = grpcclient.InferInput(key, [1], kinds.get(key, "BYTES"))
            dtype = {"FP32": np.float32, "UINT32": np.uint32, "INT32": np.int32}
            tensor.set_data_from_numpy(np.array([value], dtype.get(kinds.get(key, ""), np.object_)))
            inputs.append(tensor)
        client.async_stream_infer("lj", inputs, request_id=name, enable_empty_final_response=True)
    found: dict[str, list[Any]] = {name: [] for name in calls}
    unfinished = len(calls)
    while unfinished:
        result, error = answers.get(timeout=TIMEOUT_S)
        if error:  # which does not say whose it is
            found.setdefault("errors", []).append(error)
            unfinished -= 1
            continue
        response = result.get_response()
        if response.outputs:
            found[response.id].append(result)
        unfinished -= response.parameters["triton_final_response"].bool_param
    client.stop_stream()
    return found


def audio(results: list[Any]) -> Waveform:
    joined: Waveform = np.concatenate([result.as_numpy("audio") for result in results])
    return joined


def test_every_model_is_ready(client: Any) -> None:
    assert client.is_server_ready()
    for graph in ("", "_encoder", "_frames", "_denoiser_1", "_denoiser_2"):
        assert client.is_model_ready(f"lj{graph}")


def test_streams_at_the_same_time_sound_like_the_voice_itself(client: Any, bundle: Bundle) -> None:
    calls: dict[str, dict[str, Any]] = {
        "plain": {"text": TEXT},
        "set": {"text": TEXT, "seed": 7, "speed": 1.5, "pitch_semitones": 2.0, "steps": 1},
        "again": {"text": TEXT},
    }
    found = speak_all(client, calls)

    voice = Synthesizer(OnnxEngine(bundle, "fp32"), TextFrontEnd())
    for name, values in calls.items():
        expected = voice.speak(SpeechRequest(**values))
        np.testing.assert_allclose(audio(found[name]), expected, atol=1e-4)
        chunks = found[name]
        assert len(chunks) > 1
        offsets = [result.as_numpy("sample_offset")[0] for result in chunks]
        lengths = [len(result.as_numpy("audio")) for result in chunks]
        assert offsets == [0, *np.cumsum(lengths)[:-1]]
        assert all(result.as_numpy("sample_rate_hz")[0] == 22_050 for result in chunks)
