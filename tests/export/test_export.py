"""A checkpoint becomes a bundle that computes the same, in any window, with its weights once."""

from __future__ import annotations

import errno
import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlpo.bundle import Bundle
from dlpo.checkpoint import Tuned, load_checkpoint
from dlpo.errors import BundleError, InputError
from dlpo.model.build import Model, build_model
from dlpo.model.reach import context_frames_per_step
from dlpo.noise_schedule import named_schedule
from dlpo_export.graphs import DenoiserGraph, EncoderGraph, FramesGraph
from dlpo_export.options import ExportOptions, usual_precisions
from dlpo_export.parity.open_graph import OpenGraph
from dlpo_export.parts import Tracer
from dlpo_export.pipeline import (
    export_bundle,
    graph_sources,
    naming_lack_of_memory,
    warn_of_another_chain,
)
from dlpo_export.products import as_products
from dlpo_export.progress import counted, stage
from dlpo_export.to_onnx import GraphSource
from dlpo_export.weights import round_weights, write_graphs
from tests.toys import BASE, SPECTRAL

CONDITIONING = 16  # channels of the tiny model


ABSURD = 1 << 47  # floats; more than any address space


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path) -> Model:
    """As exported: weights rounded to float16."""
    loaded = load_checkpoint(tiny_checkpoint).model
    round_weights(loaded, 16)
    return loaded


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


def chain_inputs(batch: int, frames: int) -> dict[str, NDArray[np.float32]]:
    generator = np.random.default_rng(5)

    def normal(*shape: int) -> NDArray[np.float32]:
        return generator.standard_normal(shape).astype(np.float32)

    return {
        "conditioning": normal(batch, CONDITIONING, frames),
        "source": normal(batch, frames, 300),
        "noise": normal(1, batch, frames, 300),
    }


def test_manifest_matches_graph_inputs_and_outputs(bundle: Bundle) -> None:
    for name, info in bundle.manifest.graphs.items():
        graph = onnx.load(bundle.graph_path(name), load_external_data=False).graph
        for described, found in ((info.inputs, graph.input), (info.outputs, graph.output)):
            shapes = {
                value.name: tuple(
                    d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim
                )
                for value in found
            }
            assert {tensor.name: tensor.shape for tensor in described} == shapes


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("frames", [1, 7, 50])
def test_denoiser_equals_torch_at_every_length_and_batch(
    bundle: Bundle, model: Model, batch: int, frames: int
) -> None:
    inputs = chain_inputs(batch, frames)
    graph = DenoiserGraph(model, named_schedule("cosine", 2))
    with torch.no_grad():
        expected = graph(*(torch.from_numpy(value) for value in inputs.values()))
    made = OpenGraph(bundle.graph_path("denoiser_2")).run(inputs)["waveform"]
    np.testing.assert_allclose(made, expected.numpy(), atol=1e-5)


def shared_weights(bundle: Bundle, file: str) -> set[tuple[str, int]]:
    """(offset, length) in the file of weights of all tensors that a graph reads there."""
    tensors = onnx.load(bundle.directory / file, load_external_data=False).graph.initializer
    places = [{entry.key: entry.value for entry in tensor.external_data} for tensor in tensors]
    return {(place["offset"], int(place["length"])) for place in places if place}


def test_another_number_of_steps_adds_no_weights(bundle: Bundle) -> None:
    one, two = (shared_weights(bundle, f"denoiser_{steps}.onnx") for steps in (1, 2))
    assert one
    assert two == one


def test_file_of_weights_holds_no_more_than_the_graphs_read(bundle: Bundle) -> None:
    files = {file for graph in bundle.manifest.graphs.values() for file in graph.files.values()}
    read = set().union(*(shared_weights(bundle, file) for file in files))
    padding = 64 * len(read)
    size = bundle.manifest.files["weights.bin"].bytes
    assert size <= sum(length for _, length in read) + padding


@pytest.mark.full
def test_voices_speak_the_languages_of_the_checkpoint(
    voices_checkpoint: Path, export_toy: Callable[..., Path], tmp_path: Path
) -> None:
    checkpoint = Path(shutil.copytree(voices_checkpoint, tmp_path / "checkpoint"))
    description = json.loads((checkpoint / "checkpoint.json").read_text())
    description["provenance"]["languages"] = {"bob": "es-419"}
    (checkpoint / "checkpoint.json").write_text(json.dumps(description))
    options = {"steps": (1,), "default_steps": 1, "precisions": ("fp32",)}
    found = Bundle.load(export_toy(checkpoint, tmp_path / "bundle", **options)).manifest
    assert found.voice_languages == {"ann": "en-US", "bob": "es-419"}


def test_same_checkpoint_gives_the_same_bytes(bundle: Bundle, model: Model, tmp_path: Path) -> None:
    sources = graph_sources(EncoderGraph(model), FramesGraph(model), {})
    encoder = as_products(Tracer().to_onnx(sources["encoder"]))
    write_graphs({"encoder.onnx": encoder}, tmp_path)
    again = (tmp_path / "encoder.onnx").read_bytes()
    assert again == bundle.graph_path("encoder").read_bytes()


@pytest.fixture
def already_traced(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports take the graphs of `bundle`, made for the schedule "cosine", instead of tracing."""
    names = {EncoderGraph: "encoder", FramesGraph: "frames", DenoiserGraph: "denoiser_2"}

    def traced(_: Tracer, source: GraphSource) -> onnx.ModelProto:
        return onnx.load(bundle.graph_path(names[type(source.module)]))

    monkeypatch.setattr(Tracer, "to_onnx", traced)


def test_export_that_diverges_writes_nothing(
    already_traced: None, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    options = ExportOptions(
        steps=(2,), default_steps=2, schedule="logarithmic", precisions=("fp32",)
    )
    with pytest.raises(BundleError, match="denoiser_2 fp32: waveform differs"):
        export_bundle(tiny_checkpoint, tmp_path / "voice", options)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_reported_and_leaves_nothing(
    already_traced: None, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dlpo_export.pipeline.write_graphs", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    options = ExportOptions(steps=(2,), default_steps=2, precisions=("fp32",))
    with pytest.raises(BundleError, match=r"scratch .*No space left on device.*set TMPDIR"):
        export_bundle(tiny_checkpoint, tmp_path / "voice", options)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert not (tmp_path / "voice").exists()


class OneLengthOnly(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.arange(x.shape[0])


def test_length_that_the_exporter_fixes_is_refused() -> None:
    source = GraphSource(OneLengthOnly(), {"x": (torch.ones(3, 3), ("P", "F"))}, {"y": ("P", "F")})
    with pytest.raises(BundleError, match="works with one length only"):
        Tracer().to_onnx(source)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": (1, 2), "default_steps": 4}, "default steps is 4; expected one of 1, 2"),
        ({"steps": (0, 3)}, r"steps\[0\] is 0; expected 1 to 16"),
        ({"steps": (3, 100)}, r"steps\[1\] is 100; expected 1 to 16"),
        ({"precisions": ("int4",)}, r"precisions\[0\] is 'int4'; expected one of 'fp32', 'fp16'"),
        ({"weight_bits": 4}, "weight_bits is 4; expected 8, 16 or 32"),
    ],
)
def test_options_that_cannot_be_made_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ExportOptions(**wrong)


@pytest.mark.full
def test_wavegrad2_goes_the_same_way(
    export_toy: Callable[..., Path], base_checkpoint: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"steps": (2,), "default_steps": 2, "precisions": ("fp32",)}
    voice = export_toy(base_checkpoint, tmp_path / "voice", **options)
    manifest = Bundle.load(voice).manifest
    assert manifest.parametrisation == "eps"
    assert manifest.precision == "fp32"  # the only one there is
    assert not manifest.uses_source


def test_measured_context_of_wavegrad2_is_the_published_one() -> None:
    torch.manual_seed(0)
    # 3,560 samples and 12 frames in all, both sides together; see papers.md, 3.3
    assert context_frames_per_step(build_model(BASE).eval(), 20) == 6


@pytest.mark.parametrize("allocate", [lambda: torch.empty(ABSURD), lambda: np.empty(ABSURD)])
def test_lack_of_memory_says_what_to_do(allocate: Callable[[], Any]) -> None:
    with (
        pytest.raises(BundleError, match=r"exporting toy: out of memory .*Export fewer"),
        naming_lack_of_memory("exporting toy"),
    ):
        allocate()


@pytest.mark.parametrize(
    ("schedule", "eta", "warnings"), [("cosine:1.25", 0.7, 0), ("cosine", 0.7, 1), ("cosine", 0, 1)]
)
def test_export_warns_of_another_chain(
    schedule: str,
    eta: float,
    warnings: int,
    tiny_checkpoint: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    base = load_checkpoint(tiny_checkpoint)
    tuned = Tuned("dlpo", "distillmos=1", "cosine:1.25", 2, 0.7, 100, base.sha256)
    checkpoint = replace(base, provenance=replace(base.provenance, tuned=tuned))
    with caplog.at_level(logging.WARNING):
        warn_of_another_chain(
            checkpoint, ExportOptions(steps=(2,), default_steps=2, schedule=schedule, eta=eta)
        )
    assert len(caplog.records) == warnings


@pytest.mark.parametrize("periods", [-0.01, 0.2, float("nan")])
def test_jitter_has_a_range(periods: float) -> None:
    with pytest.raises(InputError, match=r"jitter\.ann is .*expected (0 to 0\.1|a number)"):
        ExportOptions(jitter={"ann": periods})


@pytest.mark.parametrize("option", [{"jitter": {"eve": 0.01}}, {"languages": {"eve": "es-419"}}])
def test_options_of_a_voice_that_is_not_exported(
    option: dict[str, Any], voices_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="is given for eve; expected ann, bob"):
        export_bundle(voices_checkpoint, tmp_path / "bundle", ExportOptions(**option))


def test_a_stage_says_that_it_begins_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "dlpo_export"), stage("denoiser_2: tracing"):
        assert caplog.messages == ["denoiser_2: tracing ..."]
    assert caplog.messages[1:] == ["denoiser_2: tracing: 0 s"]


def test_slow_work_says_how_much_is_left(caplog: pytest.LogCaptureFixture) -> None:
    moments = iter([0.0, 0.0, 15.0, 30.0, 45.0])  # the start, then before each item
    with caplog.at_level(logging.INFO, "dlpo_export"):
        items = counted("abcd", "layers", clock=lambda: next(moments))
        assert list(items) == ["a", "b", "c", "d"]
    assert caplog.messages == ["2 of 4 layers, about 30 s to go"]


def test_wavegrad2_is_exported_in_full_precision_alone() -> None:
    assert usual_precisions(BASE) == ("fp32",)
    assert usual_precisions(SPECTRAL) == ("fp32", "int8")
