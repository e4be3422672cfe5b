"""What holds for every engine here, the choice between them, and what reaches onnxruntime."""

from __future__ import annotations

import dataclasses
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime import InferenceSession

from dlpo.bundle import Bundle, Precision, write_bundle
from dlpo.errors import BundleError, EngineError
from dlpo.text import TextFrontEnd
from dlpo_serving.engine import Engine
from dlpo_serving.engines import EngineName, EnginePrecision, gpu_precision, open_engine
from dlpo_serving.engines.buckets import Buckets
from dlpo_serving.engines.onnx_engine import OnnxEngine, open_session
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import find_voice, open_voice
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.serving.conftest import CudaEngineOnCpu
from tests.toys import denoiser_window

TEXT = "Noise becomes speech, step by step. Is it not strange?"
LARGEST = 1e-4  # of full scale, in floating point
INT8_SHARE = 10 ** (-50 / 20)  # RMS of the deviation by the RMS of the speech
REQUESTS = (
    SpeechRequest("Fuzzy foxes fish.", speed=0.5, pitch_semitones=-6, seed=1),
    SpeechRequest("Is this the way to San Jose, or did we miss it? Yes.", speed=2.0, seed=2),
    SpeechRequest("Rain fell on the old stone bridge.", speed=0.8, pitch_semitones=6, seed=3),
)


@pytest.fixture(scope="module")
def tiny(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


@pytest.fixture(scope="module", params=["cpu", "bucketed"])
def engine(
    request: pytest.FixtureRequest, tiny: Bundle, cuda_engine_on_cpu: Callable[..., CudaEngineOnCpu]
) -> Engine:
    if request.param == "bucketed":
        return cuda_engine_on_cpu(tiny, buckets=Buckets((48, 96), (1, 2)))
    return open_engine(tiny, "cpu", "fp32")


def test_a_window_does_not_hear_the_others_of_its_batch(engine: Engine, tiny: Bundle) -> None:
    conditioning, source, noise = denoiser_window(tiny, 2, 2, 25)

    both = engine.denoise(2, conditioning, source, noise)

    assert both.shape == (2, 25, 300)
    assert both.dtype == np.float32
    for row in (slice(0, 1), slice(1, 2)):
        alone = engine.denoise(2, conditioning[row], source[row], noise[:, row])
        np.testing.assert_allclose(both[row], alone, atol=1e-5)


def test_runs_are_deterministic_and_own_their_output(engine: Engine, tiny: Bundle) -> None:
    inputs = denoiser_window(tiny, 2, 1, 30)

    first = engine.denoise(2, *inputs)
    kept = first.copy()
    engine.denoise(1, *denoiser_window(tiny, 1, 2, 7))
    engine.denoise(2, *denoiser_window(tiny, 2, 1, 9))

    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(engine.denoise(2, *inputs), first)


def test_what_no_graph_takes_is_an_engine_error(engine: Engine) -> None:
    wrong = np.zeros((1, 3, 7), np.float32)

    with pytest.raises(EngineError, match=r"denoiser_2: .* failed on"):
        engine.denoise(2, wrong, wrong, wrong[None])
    with pytest.raises(EngineError, match="encoder: onnxruntime failed on"):
        engine.encode(np.array([[10_000]]))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts the threads of Linux")
def test_denoising_starts_no_threads_that_compute(tiny_bundle: Path) -> None:
    """In a process of its own: the processor time of all threads but one stays near nothing."""
    code = f"""
import os, sys, time
import numpy as np
from dlpo.bundle import Bundle
from dlpo_serving.engines import open_engine
engine = open_engine(Bundle.load({str(tiny_bundle)!r}), "cpu", "fp32")
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

    assert done.returncode == 0


@pytest.mark.parametrize(("engine", "precision"), [("cpu", "fp16"), ("cuda", "fp16")])
def test_a_precision_that_the_bundle_lacks_is_refused(
    tiny_bundle: Path, engine: EngineName, precision: EnginePrecision
) -> None:
    with pytest.raises(BundleError, match=rf"not in {precision}; .*--precision {precision}"):
        open_engine(Bundle.load(tiny_bundle), engine, precision)


@pytest.fixture
def half_bundle(tiny: Bundle, tmp_path: Path) -> Bundle:
    """The tiny voice with denoisers in fp16 too, and these as its own precision."""
    content = shutil.copytree(tiny.directory, tmp_path / "content")
    (content / "voice.json").unlink()
    manifest = tiny.manifest
    graphs = dict(manifest.graphs)
    for name in ("denoiser_1", "denoiser_2"):
        half = f"{name}.fp16.onnx"
        shutil.copy(content / f"{name}.onnx", content / half)
        files = {**graphs[name].files, "fp16": half}
        graphs[name] = dataclasses.replace(graphs[name], files=files)
    half_manifest = dataclasses.replace(manifest, graphs=graphs, precision="fp16")
    return Bundle.load(write_bundle(tmp_path / "half", half_manifest, content))


@pytest.mark.parametrize(
    ("asked", "unused"),
    [(None, "denoiser_2.onnx"), ("fp32", "denoiser_2.fp16.onnx")],  # the encoder is in fp32 alone
)
def test_manifest_chooses_the_default_precision(
    half_bundle: Bundle, tiny: Bundle, asked: EnginePrecision | None, unused: str
) -> None:
    (half_bundle.directory / unused).unlink()

    engine = OnnxEngine(half_bundle, asked)

    assert engine.denoise(2, *denoiser_window(tiny, 2, 1, 8)).shape == (1, 8, 300)
    assert gpu_precision(half_bundle) == "fp16"
    assert gpu_precision(tiny) == "fp32"


@pytest.fixture(scope="module")
def speaker(tiny_bundle: Path) -> Synthesizer:
    return open_voice(tiny_bundle)


def test_noise_and_prosody_reach_the_graphs(speaker: Synthesizer) -> None:
    audio = speaker.speak(SpeechRequest(TEXT))

    for other in (SpeechRequest(TEXT, seed=1), SpeechRequest(TEXT, pitch_semitones=3)):
        assert np.abs(speaker.speak(other) - audio).max() > 1e-6


def test_a_graph_is_given_only_the_inputs_that_it_has(tiny_bundle: Path) -> None:
    class PitchlessSession:
        def run(self, outputs: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            assert outputs == ["conditioning", "f0"]
            return [feed.pop("hidden"), feed.pop("positions"), *feed.values()]

    engine = OnnxEngine(Bundle.load(tiny_bundle))
    encoding = engine.encode(np.arange(2, 12)[None])
    session: Any = PitchlessSession()
    engine._loaded["frames"] = session, ["hidden", "positions"], ["conditioning", "f0"]

    frames = engine.frames(encoding, np.ones(10, np.int64), 3, 5, 0.0)

    np.testing.assert_array_equal(frames.conditioning, encoding.hidden)
    np.testing.assert_array_equal(frames.f0, [3.5, 4.5])


def test_graphs_that_ask_for_it_are_rewritten(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, bool] = {}

    def opened(path: Path, *, optimise: bool) -> InferenceSession:
        asked[path.name.split(".")[0]] = optimise
        return open_session(path, optimise=optimise)

    monkeypatch.setattr("dlpo_serving.engines.onnx_engine.open_session", opened)
    bundle = Bundle.load(tiny_bundle)
    OnnxEngine(bundle, "fp32")
    # The frames graph has grouped convolutions, the encoder none.
    assert asked == {"encoder": False, "frames": True, f"denoiser_{bundle.manifest.steps}": True}


def test_onnxruntime_telemetry_is_off() -> None:
    code = "from dlpo_serving.engines.onnx_engine import import_onnxruntime as i; i()"
    # Where it would report, it says that it can't keep its name for this machine in such a home.
    environment = {"HOME": "/dev/null", "PATH": "/usr/bin"}

    quiet = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert "telemetry" not in quiet.stderr


@pytest.mark.parametrize(
    ("voice", "precision", "wanted"),
    [
        *(("lj", precision, wanted) for precision in ("fp32", "int8") for wanted in REQUESTS),
        ("tiny", "fp32", REQUESTS[1]),  # untrained
        ("drawing", "fp32", REQUESTS[1]),  # its pitch
    ],
)
def test_chunks_of_any_ladder_equal_the_whole(
    voice: str, precision: Precision, wanted: SpeechRequest, request: pytest.FixtureRequest
) -> None:
    path = find_voice(voice) if voice == "lj" else request.getfixturevalue(f"{voice}_bundle")
    bundle = Bundle.load(path)
    synthesizer = Synthesizer(
        OnnxEngine(bundle, precision), TextFrontEnd(bundle.manifest.dictionary)
    )
    whole = synthesizer.speak(wanted)
    drawn = random.Random(wanted.seed)
    for _ in range(2):
        ladder = [drawn.randint(1, 64) for _ in range(drawn.randint(1, 4))]
        pieces = [c.samples for c in synthesizer.stream(synthesizer.read(wanted), ladder)]
        deviation = np.concatenate(pieces) - whole
        assert len(pieces) > 1
        if precision == "int8":
            assert np.sqrt(np.mean(deviation**2)) <= INT8_SHARE * np.sqrt(np.mean(whole**2))
        else:
            assert np.abs(deviation).max() <= LARGEST
