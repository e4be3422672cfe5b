"""The engine on the GPU: its buckets and bindings for real on the CPU provider, its refusals as
they come here, and the rest where there is a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from dlpo.bundle import Bundle
from dlpo.errors import DlpoError, EngineError, InputError
from dlpo.nvidia import Gpu
from dlpo_serving.engine import Floats
from dlpo_serving.engines import cuda_engine
from dlpo_serving.engines.buckets import Bucket, Buckets, PaddedInputs, Piece, denoise_in_buckets
from dlpo_serving.engines.cuda_engine import CUDA, CudaEngine
from dlpo_serving.engines.cuda_machine import check_cuda
from dlpo_serving.engines.onnx_engine import CPU, OnnxEngine, import_onnxruntime, open_session
from tests.fake_engine import CONTEXT, HOP_LENGTH, FakeEngine
from tests.toys import denoiser_window

LoadEngine = Callable[..., Any]
H200 = Gpu("NVIDIA H200", "9.0", 1 << 37, "13.0")
SMALL = Buckets((32, 64), (1, 2))
STEPS = 3
MARGIN = STEPS * CONTEXT + 1  # as `Manifest.context_frames` of the fake
TWO_BY_TWO = Buckets(frames=(24, 40), batch=(1, 2))
ONE_BUCKET = Buckets(frames=(300,), batch=(8,))


@pytest.mark.parametrize(("batch", "frames"), [(1, 5), (1, 30), (2, 40), (3, 90), (1, 200)])
def test_windows_in_buckets_equal_the_windows_as_they_are(
    cuda_engine_on_cpu: LoadEngine, tiny_bundle: Path, batch: int, frames: int
) -> None:
    bundle = Bundle.load(tiny_bundle)
    inputs = denoiser_window(bundle, 2, batch, frames)

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
    engine.denoise(2, *denoiser_window(Bundle.load(tiny_bundle), 2, 1, 3))
    assert graph_ids[8:] == ["1"]


def test_failed_run_and_full_memory_are_engine_errors(
    cuda_engine_on_cpu: LoadEngine, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, onnxruntime = Bundle.load(tiny_bundle), import_onnxruntime()
    engine = cuda_engine_on_cpu(bundle, buckets=SMALL)

    fail = Mock(side_effect=RuntimeError("CUDA error 700"))
    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", fail)
    with pytest.raises(EngineError, match=r"denoiser_2: onnxruntime failed on.*CUDA error 700"):
        engine.denoise(2, *denoiser_window(bundle, 2, 1, 5))
    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_shape_and_type", fail)
    with pytest.raises(EngineError, match=r"no memory on cpu for 4 buckets.*fewer and smaller"):
        cuda_engine_on_cpu(bundle, buckets=SMALL)


def test_a_session_that_fell_back_to_the_cpu_is_refused(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_engine, "check_cuda", lambda: H200)
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

    with pytest.raises(EngineError, match=r"build for CPUs.*\[serve,gpu\].*--engine cpu"):
        check_cuda()


# From here on: on a GPU.


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    try:
        return check_cuda()
    except DlpoError as error:
        pytest.skip(str(error))


@pytest.mark.gpu
@pytest.mark.usefixtures("gpu")
def test_replayed_graphs_compute_with_the_new_inputs(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    captured = CudaEngine(bundle, buckets=SMALL)
    windows = [denoiser_window(bundle, 2, 1, frames) for frames in (12, 40, 13, 41, 12)]

    audio = [captured.denoise(2, *inputs) for inputs in windows]

    np.testing.assert_array_equal(audio[0], audio[4])  # through the same graph
    for made, inputs in zip(audio, windows, strict=True):
        expected = OnnxEngine(bundle, "fp32").denoise(2, *inputs)
        inner = slice(0, max(made.shape[1] - bundle.manifest.context_frames(2), 0))
        np.testing.assert_allclose(made[:, inner], expected[:, inner], atol=1e-4)


def window(batch: int, frames: int, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    generator = np.random.default_rng(seed)
    shapes = (batch, 2, frames), (batch, frames, HOP_LENGTH), (1, batch, frames, HOP_LENGTH)
    conditioning, source, noise = (generator.standard_normal(s, np.float32) for s in shapes)
    return conditioning, source, noise


def denoise(buckets: Buckets, inputs: tuple[Floats, Floats, Floats]) -> Floats:
    """As an engine does it: one set of arrays for a bucket, used again and again."""
    engine = FakeEngine()
    arrays = {bucket: PaddedInputs.zeros(bucket, 2, 1, HOP_LENGTH) for bucket in buckets.all}

    def run(piece: Piece) -> Floats:
        padded = arrays[piece.bucket]
        padded.fill(piece, *inputs)
        assert padded.noise.shape == (1, *piece.bucket, HOP_LENGTH)
        return engine.denoise(STEPS, *padded)

    return denoise_in_buckets(run, buckets, MARGIN, inputs[1].shape)


@pytest.mark.parametrize(
    ("batch", "frames", "expected"),
    [(1, 1, Bucket(1, 24)), (1, 17, Bucket(1, 24)), (1, 18, Bucket(1, 40)), (2, 33, Bucket(2, 40))],
)
def test_smallest_bucket_that_holds_window_and_margin_is_chosen(
    batch: int, frames: int, expected: Bucket
) -> None:
    assert [piece.bucket for piece in TWO_BY_TWO.pieces(batch, frames, MARGIN)] == [expected]


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("frames", [1, 17, 18, 33, 34, 40, 67, 151])
def test_audio_does_not_depend_on_the_buckets(batch: int, frames: int) -> None:
    inputs = window(batch, frames)

    np.testing.assert_allclose(denoise(TWO_BY_TWO, inputs), denoise(ONE_BUCKET, inputs), atol=1e-6)


def test_buckets_that_are_all_context_say_what_to_use() -> None:
    with pytest.raises(EngineError, match="40 frames, but 40 of them are context; use one of 80"):
        TWO_BY_TWO.pieces(1, 100, 20)


@pytest.mark.parametrize("sizes", [(), (0, 4), (8, 4), (4, 4)])
def test_sizes_that_do_not_ascend_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"frames is .*; expected whole numbers from 1, ascending"):
        Buckets(frames=sizes)
