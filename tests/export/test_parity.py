"""An export that computes something else than its checkpoint is refused, and says where."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from dlpo.bundle import Bundle, Precision
from dlpo.checkpoint import load_checkpoint
from dlpo.errors import BundleError
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo_export.graphs import DenoiserGraph, EncoderGraph, FramesGraph
from dlpo_export.half_precision import to_half
from dlpo_export.parity.check import check_parity, difference, magnification
from dlpo_export.parity.metrics import f0_error_cents, log_spectral_distance, wrong_voicing
from dlpo_export.pipeline import graph_sources
from dlpo_export.to_onnx import GraphSource
from dlpo_export.weights import round_weights

FILES: dict[str, dict[Precision, str]] = {
    name: {"fp32": f"{name}.onnx"} for name in ("encoder", "frames", "denoiser_1")
}


EXPECTED = np.array([[0.0, 200.0, 220.0, 240.0, 0.0]], np.float32)


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle's files that a test may damage."""
    return Path(shutil.copytree(Bundle.load(tiny_bundle).directory, tmp_path / "graphs"))


@pytest.fixture(scope="module")
def sources(tiny_checkpoint: Path) -> dict[str, GraphSource]:
    model = load_checkpoint(tiny_checkpoint).model
    round_weights(model, 16)  # as exported
    denoisers = {"denoiser_1": DenoiserGraph(model, named_schedule("cosine", 1))}
    return graph_sources(EncoderGraph(model), FramesGraph(model), denoisers)


def damage(path: Path, weight: str, factor: float) -> None:
    """Scale one weight of a graph, which then no longer shares it with the others."""
    model = onnx.load(path)
    (found,) = (t for t in model.graph.initializer if t.name.startswith(weight))
    values = numpy_helper.to_array(found)
    found.CopyFrom(numpy_helper.from_array((values * factor).astype(values.dtype), found.name))
    onnx.save(model, path)


def in_fp16(folder: Path) -> dict[str, dict[Precision, str]]:
    """Add a float16 denoiser to the files."""
    onnx.save(to_half(onnx.load(folder / "denoiser_1.onnx")), folder / "half.onnx")
    return {**FILES, "denoiser_1": {"fp32": "denoiser_1.onnx", "fp16": "half.onnx"}}


def test_every_output_of_a_healthy_export_is_within_tolerance(
    folder: Path, sources: dict[str, GraphSource]
) -> None:
    report = check_parity(folder, sources, FILES)
    assert [(entry.graph, entry.tensor) for entry in report] == [
        ("encoder", "hidden"),
        ("encoder", "durations"),
        ("encoder", "ranges"),
        ("frames", "conditioning"),
        ("frames", "f0"),
        ("denoiser_1", "waveform"),
    ]
    assert report[1].moved_frames == 0
    assert max(entry.largest for entry in report) < 1e-4


def test_encoder_with_other_durations_is_refused(
    folder: Path, sources: dict[str, GraphSource]
) -> None:
    damage(folder / "encoder.onnx", "model.timing_out.weight", 2.0)
    with pytest.raises(BundleError, match=r"encoder fp32: durations a symbol ends \d+ frames"):
        check_parity(folder, sources, FILES)


def test_a_chain_of_other_gains_is_refused(
    folder: Path, sources: dict[str, GraphSource], tiny_checkpoint: Path
) -> None:
    module = sources["denoiser_1"].module
    assert isinstance(module, DenoiserGraph)
    scaled = DenoiserGraph(module.model, named_schedule("cosine@1.1", 1))
    with pytest.raises(BundleError, match="denoiser_1 fp32: waveform"):
        check_parity(
            folder, sources | {"denoiser_1": replace(sources["denoiser_1"], module=scaled)}, FILES
        )


def test_wrong_low_precision_layer_is_found_against_fp32(
    folder: Path, sources: dict[str, GraphSource]
) -> None:
    files = in_fp16(folder)
    damage(folder / "half.onnx", "model.spectrum_conditioning.weight", -1.0)
    expected = r"denoiser_1 fp16: waveform .*denoiser_1 fp16 diverged at step.0.node_conv1d \(Conv"
    with pytest.raises(BundleError, match=expected):
        check_parity(folder, sources, files)


def test_file_that_onnxruntime_refuses_is_an_error_that_names_it(
    folder: Path, sources: dict[str, GraphSource]
) -> None:
    (folder / "frames.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"frames\.onnx: onnxruntime can't run it"):
        check_parity(folder, sources, FILES)


@pytest.mark.parametrize(
    "made", [np.full((1, 3), np.nan, np.float32), np.zeros((1, 4), np.float32)]
)
def test_nan_or_another_shape_is_infinitely_far(made: NDArray[np.float32]) -> None:
    found = difference("g", "fp32", "t", [(made, np.zeros((1, 3), np.float32))])
    assert found.largest == math.inf
    assert found.failure() is not None


def test_one_bad_sentence_among_good_ones_is_seen() -> None:
    good = np.ones((1, 300), np.float32)
    bad = good.copy()
    bad[0, 7] += 0.01
    found = difference("g", "fp32", "t", [(good, good), (bad, good), (good, good)])
    assert found.largest == pytest.approx(0.01, rel=1e-4)
    assert found.failure() is not None


@pytest.mark.parametrize(
    ("parametrisation", "gains", "expected"),
    [
        ("eps", (), math.sqrt(2 / 0.08**2 - 2)),
        ("eps", (2.0, 1.5), 3 * math.sqrt(2 / 0.08**2 - 2)),
        ("x0", (), 1.0),
    ],
)
def test_a_chain_may_magnify_rounding_as_its_levels_do(
    parametrisation: str, gains: tuple[float, ...], expected: float, tiny_checkpoint: Path
) -> None:
    chain = NoiseSchedule("toy", np.array([0.08, 0.5, 1.0]), gains=gains)
    model = load_checkpoint(tiny_checkpoint).model
    model.parametrisation = parametrisation
    magnified = magnification(DenoiserGraph(model, chain))
    assert magnified == pytest.approx(expected)
    wave = np.ones((1, 30_000), np.float32)
    made = wave.copy()
    made[0, 7] += 5e-4
    found = replace(difference("d", "fp32", "waveform", [(made, wave)]), magnified=magnified)
    assert (found.failure() is None) == (parametrisation == "eps")


def test_gain_is_its_own_log_spectral_distance() -> None:
    noise = np.random.default_rng(0).standard_normal(8000)
    assert log_spectral_distance(noise, noise) == 0
    assert log_spectral_distance(2 * noise, noise) == pytest.approx(20 * math.log10(2), abs=1e-6)


def test_what_lies_60_db_below_does_not_count() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 22050)
    hiss = 1e-5 * np.random.default_rng(0).standard_normal(8000)
    assert log_spectral_distance(tone + hiss, tone) < 0.01
    assert log_spectral_distance(np.zeros(100), np.zeros(100)) == 0


def test_frames_with_other_voicing_count_without_cents() -> None:
    made = EXPECTED.copy()
    made[0, 0], made[0, 1] = 500.0, 0.0
    assert f0_error_cents(made, EXPECTED) == 0
    assert wrong_voicing(made, EXPECTED) == pytest.approx(2 / 5)


def test_f0_that_is_a_quarter_of_a_semitone_off_is_refused() -> None:
    made = EXPECTED * np.float32(2 ** (25 / 1200))
    found = difference("frames", "int8", "f0", [(made, EXPECTED)])
    assert found.failure() == "is 25.0 cents off, tolerance 20.0 cents"
