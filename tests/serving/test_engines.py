"""What holds for every engine that can run here, and the choice between them."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dlpo.bundle import Bundle, write_bundle
from dlpo.errors import BundleError, EngineError, MissingExtraError
from dlpo.text import TextFrontEnd
from dlpo_serving.engine import Engine, Floats
from dlpo_serving.engines import EngineName, EnginePrecision, gpu_precision, open_engine
from dlpo_serving.engines.buckets import Buckets
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer

TEXT = "Noise becomes speech, step by step. Is it not strange?"


@pytest.fixture(scope="module", params=["cpu", "openvino", "bucketed"])
def engine(
    request: pytest.FixtureRequest,
    tiny_bundle: Path,
    cuda_engine_on_cpu: Callable[..., Engine],
) -> Engine:
    bundle = Bundle.load(tiny_bundle)
    if request.param == "bucketed":
        return cuda_engine_on_cpu(bundle, buckets=Buckets((48, 96), (1, 2)))
    try:
        return open_engine(bundle, request.param, "fp32")
    except MissingExtraError as error:
        pytest.skip(str(error))


def random_window(batch: int, frames: int) -> tuple[Floats, Floats, Floats]:
    """Conditioning, source and noise as the tiny voice has them."""
    rng = np.random.default_rng(batch)
    conditioning = rng.standard_normal((batch, 16, frames), np.float32)
    source, noise = rng.standard_normal((2, batch, frames, 300), np.float32)
    return conditioning, 0.1 * source, noise[None]


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("ladder", [(1,), (5, 9), (10, 20, 40, 64)])
def test_chunks_equal_the_whole(
    engine: Engine, front_end: TextFrontEnd, steps: int, ladder: tuple[int, ...]
) -> None:
    speaker = Synthesizer(engine, front_end)
    request = SpeechRequest(TEXT, seed=11, steps=steps)

    chunks = [chunk.samples for chunk in speaker.stream(speaker.read(request), ladder)]

    offline = speaker.speak(request)
    assert len(chunks) > len(speaker.read(request).sentences)
    assert np.abs(offline).max() > 1e-3
    np.testing.assert_allclose(np.concatenate(chunks), offline, atol=1e-4 * np.abs(offline).max())


def test_a_window_does_not_hear_the_others_of_its_batch(engine: Engine) -> None:
    conditioning, source, noise = random_window(2, 25)

    both = engine.denoise(2, conditioning, source, noise)

    assert both.shape == (2, 25, 300)
    assert both.dtype == np.float32
    for row in (slice(0, 1), slice(1, 2)):
        alone = engine.denoise(2, conditioning[row], source[row], noise[:, row])
        np.testing.assert_allclose(both[row], alone, atol=1e-5)


def test_the_same_window_gives_the_same_bits(engine: Engine) -> None:
    inputs = random_window(1, 30)

    first = engine.denoise(2, *inputs)
    engine.denoise(1, *random_window(2, 7))

    np.testing.assert_array_equal(engine.denoise(2, *inputs), first)


def test_a_window_of_the_wrong_shape_is_an_engine_error(engine: Engine) -> None:
    wrong = np.zeros((1, 3, 7), np.float32)

    with pytest.raises(EngineError, match=r"denoiser_2: .* failed on"):
        engine.denoise(2, wrong, wrong, wrong[None])


def test_phonemes_that_are_none_are_an_engine_error(engine: Engine) -> None:
    with pytest.raises(EngineError, match="encoder: onnxruntime failed on"):
        engine.encode(np.array([[10_000]]))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts the threads of Linux")
@pytest.mark.parametrize("name", ["cpu", "openvino"])
def test_denoising_starts_no_threads_that_compute(name: str, tiny_bundle: Path) -> None:
    """In a process of its own: the processor time of all threads but one stays near nothing."""
    code = f"""
import os, sys, time
import numpy as np
from dlpo.bundle import Bundle
from dlpo.errors import MissingExtraError
from dlpo_serving.engines import open_engine
try:
    engine = open_engine(Bundle.load({str(tiny_bundle)!r}), {name!r}, "fp32")
except MissingExtraError:
    sys.exit(77)
def ticks():
    stats = {{t: open(f"/proc/self/task/{{t}}/stat").read() for t in os.listdir("/proc/self/task")}}
    return {{t: sum(map(int, stat.rsplit(")", 1)[1].split()[11:13])) for t, stat in stats.items()}}
window = [np.zeros(s, np.float32) for s in ((1, 16, 400), (1, 400, 300), (1, 1, 400, 300))]
engine.denoise(2, *window)
before, end = ticks(), time.process_time() + 1
while time.process_time() < end:
    engine.denoise(2, *window)
spent = sorted(n - before.get(t, 0) for t, n in ticks().items())
sys.exit(sum(spent[:-1]) > 0.1 * spent[-1])
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=60)
    if done.returncode == 77:
        pytest.skip("openvino is not installed")

    assert done.returncode == 0


@pytest.mark.parametrize(("engine", "precision"), [("cpu", "fp16"), ("cuda", "fp16")])
def test_a_precision_that_the_bundle_lacks_is_refused(
    tiny_bundle: Path, engine: EngineName, precision: EnginePrecision
) -> None:
    with pytest.raises(BundleError, match=rf"not in {precision}; .*--precision {precision}"):
        open_engine(Bundle.load(tiny_bundle), engine, precision)


@pytest.fixture
def half_bundle(tiny_bundle: Path, tmp_path: Path) -> Bundle:
    """The tiny voice with denoisers in fp16 too, and these as its own precision."""
    content = shutil.copytree(tiny_bundle, tmp_path / "content")
    (content / "voice.json").unlink()
    manifest = Bundle.load(tiny_bundle).manifest
    graphs = dict(manifest.graphs)
    for name in ("denoiser_1", "denoiser_2"):
        half = f"{name}.fp16.onnx"
        shutil.copy(content / f"{name}.onnx", content / half)
        files = {**graphs[name].files, "fp16": half}
        graphs[name] = dataclasses.replace(graphs[name], files=files)
    half_manifest = dataclasses.replace(manifest, graphs=graphs, precision="fp16")
    return Bundle.load(write_bundle(tmp_path / "half", half_manifest, content))


def test_the_manifest_chooses_the_precision_and_fp32_stands_in(half_bundle: Bundle) -> None:
    (half_bundle.directory / "denoiser_2.onnx").unlink()  # so that only the fp16 file can be read

    engine = OnnxEngine(half_bundle)  # its encoder is there in fp32 only

    assert engine.denoise(2, *random_window(1, 8)).shape == (1, 8, 300)


def test_a_precision_that_is_asked_for_goes_before_the_manifest(half_bundle: Bundle) -> None:
    (half_bundle.directory / "denoiser_2.fp16.onnx").unlink()

    engine = OnnxEngine(half_bundle, "fp32")

    assert engine.denoise(2, *random_window(1, 8)).shape == (1, 8, 300)


def test_a_gpu_takes_fp16_where_the_bundle_has_it(half_bundle: Bundle, tiny_bundle: Path) -> None:
    assert gpu_precision(half_bundle) == "fp16"
    assert gpu_precision(Bundle.load(tiny_bundle)) == "fp32"
