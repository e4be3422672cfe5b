"""The Triton repository is right by Triton's own schema and by its graphs; nothing is half done."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from dlpo.bundle import MANIFEST, Bundle, PlanInfo, Precision, write_bundle
from dlpo.errors import BundleError
from dlpo_export.triton.repository import write_triton_repository

NUMPY_TYPES = {"TYPE_FP32": np.float32, "TYPE_INT64": np.int64}


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.load(tiny_bundle)


@pytest.fixture(scope="module")
def repository(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_triton_repository(bundle, tmp_path_factory.mktemp("triton") / "models")


def parse(folder: Path) -> Any:
    """The config.pbtxt of a model as Triton's own schema reads it."""
    pytest.importorskip("tritonclient.grpc", reason="pip install 'tritonclient[grpc]'")
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    text = (folder / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@pytest.fixture(scope="module")
def configs(repository: Path) -> dict[str, Any]:
    return {folder.name: parse(folder) for folder in repository.iterdir()}


def onnx_path(repository: Path, model: str) -> Path:
    return repository / model / "1" / "model.onnx" / "model.onnx"


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_a_voice_is_a_front_and_one_model_for_each_graph(configs: dict[str, Any]) -> None:
    graphs = ("encoder", "frames", "denoiser_1", "denoiser_2")
    assert set(configs) == {"lj", *(f"lj_{graph}" for graph in graphs)}
    assert all(config.name == folder for folder, config in configs.items())


def test_configs_describe_the_tensors_of_their_graphs(
    configs: dict[str, Any], repository: Path
) -> None:
    from tritonclient.grpc import model_config_pb2

    for name, config in configs.items():
        if name == "lj":
            continue
        graph = onnx.load(onnx_path(repository, name)).graph
        for described, values in ((config.input, graph.input), (config.output, graph.output)):
            assert [tensor.name for tensor in described] == [value.name for value in values]
            for tensor, value in zip(described, values, strict=True):
                found = value.type.tensor_type
                dims = [d.dim_value if d.HasField("dim_value") else -1 for d in found.shape.dim]
                batch = [-1] if config.max_batch_size else []
                assert batch + list(tensor.dims) == dims
                kind = model_config_pb2.DataType.Name(tensor.data_type)
                assert NUMPY_TYPES[kind] == helper.tensor_dtype_to_np_dtype(found.elem_type)


@pytest.mark.parametrize(("steps", "precision"), [(1, "fp32"), (2, "fp32"), (2, "int8")])
def test_a_batch_of_windows_gives_what_the_bundle_gives_for_each(
    bundle: Bundle, tmp_path: Path, steps: int, precision: Precision
) -> None:
    repository = write_triton_repository(bundle, tmp_path / "models", precision)
    graph = f"denoiser_{steps}"
    generator = np.random.default_rng(0)
    shapes = {tensor.name: tensor.shape for tensor in bundle.manifest.graphs[graph].inputs}
    lengths: dict[Any, int] = {"B": 3, "F": 11}
    inputs = {
        name: generator.standard_normal([lengths.get(d, d) for d in shape], np.float32)
        for name, shape in shapes.items()
    }

    (expected,) = session(bundle.graph_path(graph, precision)).run(None, inputs)
    inputs["noise"] = inputs["noise"].swapaxes(0, 1).copy()
    (made,) = session(onnx_path(repository, f"lj_{graph}")).run(None, inputs)

    np.testing.assert_array_equal(made, expected)


def test_each_model_works_alone_and_has_no_weights_of_others(
    bundle: Bundle, repository: Path, tmp_path: Path
) -> None:
    total = bundle.manifest.files["weights.bin"].bytes
    sizes = {}
    for path in repository.glob("*/1/model.onnx/weights.bin"):
        model = path.parts[-4]
        sizes[model.removesuffix("_2").removesuffix("_1")] = path.stat().st_size
        alone = shutil.copytree(repository / model, tmp_path / model)
        session(alone / "1" / "model.onnx" / "model.onnx")
    assert sum(sizes.values()) <= total + 64 * len(sizes)  # each starts with no gap before it


def with_plans(bundle: Bundle, tmp_path: Path, *frames: tuple[int, ...]) -> Bundle:
    """A copy of the bundle with a plan of each graph for one GPU after the other."""
    folder = Path(shutil.copytree(bundle.directory, tmp_path / "bundle"))
    (folder / MANIFEST).unlink()
    plans = []
    for number, lengths in enumerate(frames):
        for steps in (1, 2):
            file = f"denoiser_{steps}.{number}.plan"
            (folder / file).write_bytes(b"TensorRT")
            plans.append(
                PlanInfo(
                    graph=f"denoiser_{steps}",
                    precision="fp16",
                    file=file,
                    gpu=f"GPU {number}",
                    compute_capability=f"{8 + number}.0",
                    tensorrt="11.4.0.106",
                    frames=lengths,
                    batch=(1, 4),
                )
            )
    manifest = dataclasses.replace(bundle.manifest, plans=tuple(plans))
    return Bundle.load(write_bundle(tmp_path / "with_plans", manifest, folder))


def test_plans_are_models_for_their_gpus(bundle: Bundle, tmp_path: Path) -> None:
    planned = with_plans(bundle, tmp_path, (32, 64), (32, 64))
    out = write_triton_repository(planned, tmp_path / "models", "fp16", tensorrt=True)

    config = parse(out / "lj_denoiser_2")
    assert (config.backend, config.max_batch_size) == ("tensorrt", 0)
    assert config.cc_model_filenames == {
        "8.0": "denoiser_2.0.plan",
        "9.0": "denoiser_2.1.plan",
    }
    assert list(config.instance_group[0].profile) == ["0", "1", "2", "3"]  # 2 lengths, 2 batches
    noise = next(tensor for tensor in config.input if tensor.name == "noise")
    assert list(noise.dims) == [1, -1, -1, 300]  # a plan's axes are what they are
    assert all(
        (out / "lj_denoiser_2" / "1" / file).is_file()
        for file in config.cc_model_filenames.values()
    )
    front = parse(out / "lj").parameters
    assert front["frames_of_denoiser_2"].string_value == "32 64"
    assert front["precision"].string_value == "fp16"


@pytest.mark.parametrize(
    ("frames", "message"), [((), "no TensorRT plan"), (((32,), (64,)), "different buckets")]
)
def test_plans_that_lack_or_differ_are_refused(
    bundle: Bundle, tmp_path: Path, frames: tuple[tuple[int, ...], ...], message: str
) -> None:
    planned = with_plans(bundle, tmp_path, *frames)

    with pytest.raises(BundleError, match=message):
        write_triton_repository(planned, tmp_path / "models", "fp16", tensorrt=True)
    assert not (tmp_path / "models").exists()


def test_our_repository_is_replaced(bundle: Bundle, tmp_path: Path) -> None:
    out = write_triton_repository(bundle, tmp_path / "models")
    (out / "lj" / "1" / "old").write_text("")

    write_triton_repository(bundle, out)

    assert not (out / "lj" / "1" / "old").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


@pytest.mark.parametrize("other", ["notes.txt", "resnet/config.pbtxt", "empty/1/model.onnx"])
def test_what_is_not_ours_is_refused_and_kept(bundle: Bundle, tmp_path: Path, other: str) -> None:
    theirs = tmp_path / "models" / other
    theirs.parent.mkdir(parents=True)
    theirs.write_text('name: "resnet"')

    with pytest.raises(BundleError, match="no model written by dlpo"):
        write_triton_repository(bundle, tmp_path / "models")

    assert theirs.read_text() == 'name: "resnet"'


def test_a_failed_write_leaves_the_earlier_repository(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = write_triton_repository(bundle, tmp_path / "models")
    before = sorted(path.relative_to(out) for path in out.rglob("*"))

    def disk_full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", disk_full)
    with pytest.raises(BundleError, match="No space left"):
        write_triton_repository(bundle, out)

    assert sorted(path.relative_to(out) for path in out.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


def test_a_voice_name_that_leads_elsewhere_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    manifest = dataclasses.replace(bundle.manifest, voice="../lj")

    with pytest.raises(BundleError, match="can't name a Triton model"):
        write_triton_repository(dataclasses.replace(bundle, manifest=manifest), tmp_path / "models")
