"""The engine on the GPU: its buckets and bindings for real on the CPU provider, its refusals as
they come here, and the rest where there is a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo.bundle import Bundle
from dlpo.errors import DlpoError, EngineError
from dlpo.nvidia import Gpu
from dlpo.text import TextFrontEnd
from dlpo_serving.engine import Floats
from dlpo_serving.engines import cuda_engine
from dlpo_serving.engines.buckets import Buckets
from dlpo_serving.engines.cuda_engine import CUDA, CudaEngine, cuda_provider
from dlpo_serving.engines.cuda_machine import check_cuda
from dlpo_serving.engines.onnx_engine import CPU, OnnxEngine, import_onnxruntime, open_session
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer

LoadEngine = Callable[..., Any]
H200 = Gpu(0, "NVIDIA H200", "9.0", 1 << 37, "13.0")
TEXT = "Noise becomes speech, step by step. Is it not strange?"
SMALL = Buckets((32, 64), (1, 2))


def window(bundle: Bundle, steps: int, batch: int, frames: int) -> tuple[Floats, Floats, Floats]:
    """Random conditioning, source and noise."""
    shapes = {t.name: t.shape for t in bundle.manifest.graphs[f"denoiser_{steps}"].inputs}
    lengths = {"B": batch, "F": frames}
    rng = np.random.default_rng(frames)
    conditioning, source, noise = (
        rng.standard_normal([lengths[n] if isinstance(n, str) else n for n in shapes[name]])
        for name in ("conditioning", "source", "noise")
    )
    return (
        conditioning.astype(np.float32),
        source.astype(np.float32),
        noise.astype(np.float32),
    )


@pytest.mark.parametrize(("batch", "frames"), [(1, 5), (1, 30), (2, 40), (3, 90), (1, 200)])
def test_windows_in_buckets_equal_the_windows_as_they_are(
    cuda_engine_on_cpu: LoadEngine, tiny_bundle: Path, batch: int, frames: int
) -> None:
    bundle = Bundle.load(tiny_bundle)
    inputs = window(bundle, 2, batch, frames)

    made = cuda_engine_on_cpu(bundle, buckets=SMALL).denoise(2, *inputs)

    expected = OnnxEngine(bundle, "fp32").denoise(2, *inputs)
    assert made.shape == expected.shape
    inner = slice(0, max(frames - bundle.manifest.context_frames(2), 0))  # then it sees the padding
    np.testing.assert_allclose(made[:, inner], expected[:, inner], atol=1e-5)


def test_every_bucket_is_warmed_and_has_a_cuda_graph_of_its_own(
    cuda_engine_on_cpu: LoadEngine, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_type = import_onnxruntime().InferenceSession
    compute = session_type.run_with_iobinding
    graph_ids: list[str] = []

    def spy(session: Any, binding: Any, options: Any) -> None:
        graph_ids.append(options.get_run_config_entry("gpu_graph_id"))
        compute(session, binding, options)

    monkeypatch.setattr(session_type, "run_with_iobinding", spy)

    engine = cuda_engine_on_cpu(Bundle.load(tiny_bundle), buckets=SMALL)

    warmed = ["1", "2", "3", "4"]
    assert graph_ids == warmed + warmed  # not 0 nor -1: these are onnxruntime's own
    engine.denoise(2, *window(Bundle.load(tiny_bundle), 2, 1, 3))
    assert graph_ids[8:] == ["1"]


def test_a_run_that_fails_is_an_engine_error(
    cuda_engine_on_cpu: LoadEngine, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.load(tiny_bundle)
    engine = cuda_engine_on_cpu(bundle, buckets=SMALL)

    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error 700")

    monkeypatch.setattr(import_onnxruntime().InferenceSession, "run_with_iobinding", fail)

    with pytest.raises(EngineError, match=r"denoiser_2: onnxruntime failed on.*CUDA error 700"):
        engine.denoise(2, *window(bundle, 2, 1, 5))


def test_memory_that_does_not_suffice_is_an_engine_error(
    cuda_engine_on_cpu: LoadEngine, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("failed to allocate")

    value_type = import_onnxruntime().OrtValue
    monkeypatch.setattr(value_type, "ortvalue_from_shape_and_type", fail)

    with pytest.raises(EngineError, match=r"no memory on cpu for 4 buckets.*fewer and smaller"):
        cuda_engine_on_cpu(Bundle.load(tiny_bundle), buckets=SMALL)


def test_a_session_that_fell_back_to_the_cpu_is_refused(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_engine, "check_cuda", lambda provider: H200)
    monkeypatch.setattr(cuda_engine, "CudaDevice", lambda: None)
    monkeypatch.setattr(cuda_engine, "open_session", lambda path, providers: open_session(path))

    with pytest.raises(EngineError, match=f"would compute on {CPU}, not on {CUDA}"):
        CudaEngine(Bundle.load(tiny_bundle), buckets=SMALL)


def test_a_provider_that_fails_is_an_error_and_not_the_cpu(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnxruntime = import_onnxruntime()
    create = onnxruntime.InferenceSession._create_inference_session
    tried = []

    def fail_on_cuda(session: Any, providers: Any, *rest: Any) -> None:
        tried.append([name for name, _ in providers])
        if CUDA in tried[-1]:
            raise RuntimeError("CUDA failure 35")
        create(session, providers, *rest)

    monkeypatch.setattr(onnxruntime.InferenceSession, "_create_inference_session", fail_on_cuda)
    graph = Bundle.load(tiny_bundle).graph_path("denoiser_2")

    with pytest.raises(EngineError, match=rf"CUDA failure 35.*{CUDA}.*--engine cpu"):
        open_session(graph, [(CUDA, {}), (CPU, {})])

    assert tried == [[CUDA, CPU]]


def test_the_build_for_cpus_is_refused_with_the_line_to_run() -> None:
    if CUDA in import_onnxruntime().get_available_providers():
        pytest.skip("onnxruntime-gpu is installed")

    with pytest.raises(EngineError, match=r"build for CPUs.*dlpo\[gpu\].*--engine cpu"):
        check_cuda(CUDA)


def test_every_provider_option_is_one_of_the_installed_package() -> None:
    folder = Path(import_onnxruntime().__file__).parent / "capi"
    library = folder / "libonnxruntime_providers_cuda.so"
    if not library.exists():
        pytest.skip("onnxruntime-gpu is not installed")
    _, options = cuda_provider()

    known = library.read_bytes()

    assert [option for option in options if option.encode() not in known] == []


# From here on: on a GPU.


def _gpu_or_error() -> Gpu | DlpoError:
    try:
        return check_cuda(CUDA)
    except DlpoError as error:
        return error


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    found = _gpu_or_error()
    if isinstance(found, DlpoError):
        pytest.skip(str(found))
    return found


@pytest.mark.gpu
@pytest.mark.usefixtures("gpu")
def test_chunks_equal_the_whole_on_the_gpu(tiny_bundle: Path, front_end: TextFrontEnd) -> None:
    speaker = Synthesizer(CudaEngine(Bundle.load(tiny_bundle)), front_end)
    request = SpeechRequest(TEXT, seed=5)

    chunks = [chunk.samples for chunk in speaker.stream(speaker.read(request))]

    offline = speaker.speak(request)
    np.testing.assert_allclose(np.concatenate(chunks), offline, atol=1e-4 * np.abs(offline).max())


@pytest.mark.gpu
@pytest.mark.usefixtures("gpu")
def test_replayed_graphs_compute_with_the_new_inputs(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    captured = CudaEngine(bundle, buckets=SMALL)
    windows = [window(bundle, 2, 1, frames) for frames in (12, 40, 13, 41, 12)]

    audio = [captured.denoise(2, *inputs) for inputs in windows]

    np.testing.assert_array_equal(audio[0], audio[4])  # through the same graph
    for made, inputs in zip(audio, windows, strict=True):
        expected = OnnxEngine(bundle, "fp32").denoise(2, *inputs)
        inner = slice(0, max(made.shape[1] - bundle.manifest.context_frames(2), 0))
        np.testing.assert_allclose(made[:, inner], expected[:, inner], atol=1e-4)
