"""A bundle by somebody who means harm: sealed correctly, so no hash stops it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dlpo
from dlpo.bundle import MANIFEST, Bundle
from dlpo.bundle.voice_json import SEAL, seal
from dlpo.errors import BundleError, EngineError
from dlpo_serving.engines.onnx_engine import open_session

EMBEDDED = Path(dlpo.__file__).parent / "voices" / "heart"
HERE = Path(__file__).parent
COUNT = 30  # graphs; thousands were tried once
names = st.one_of(  # not the manifest's own, and no 0 in front, which zipfile can't write
    st.text("./\\ab:~\n-", min_size=1, max_size=12),
    st.sampled_from(["..", "/etc/x", "a/../../x", "\\\\host\\x", "C:x", "CON", "x\0y"]),
)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=names)
def test_no_name_in_a_sealed_zip_leads_out_of_its_folder(name: str, tmp_path: Path) -> None:
    values = json.loads((EMBEDDED / MANIFEST).read_bytes())
    del values[SEAL]
    content = b"graph"
    values["files"] = {name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": 5}}
    for graph in values["graphs"].values():
        graph["files"] = {"fp32": name}
    values["precision"] = "fp32"
    inner = tmp_path / "inner"
    inner.mkdir(exist_ok=True)
    with zipfile.ZipFile(inner / "voice.dlpo", "w") as archive:
        archive.writestr(MANIFEST, seal(values))
        archive.writestr(name, content)

    try:
        bundle = Bundle.load(inner / "voice.dlpo")
    except BundleError:
        pass
    else:
        assert {path.name for path in bundle.directory.iterdir()} == {MANIFEST, name}
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]
    assert [path.name for path in inner.iterdir()] == ["voice.dlpo"]


def test_changed_graph_never_ends_the_process(tmp_path: Path) -> None:
    for name in ("encoder.onnx", "weights.bin"):
        shutil.copy(EMBEDDED / name, tmp_path)
    command = [sys.executable, HERE / "mutated_graphs.py", tmp_path, "0", str(COUNT)]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)

    assert ended.returncode == 0, (ended.stdout.splitlines()[-1:], ended.stderr[-2000:])
    assert ended.stdout.splitlines()[-1].startswith("done")


@pytest.mark.parametrize("location", ["../secret.bin", "./../secret.bin", "{folder}/secret.bin"])
def test_no_graph_reads_a_file_outside_of_its_folder(location: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx writes the graph: pip install 'dlpo[export]'")
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    weights = onnx.TensorProto(
        name="w", data_type=onnx.TensorProto.FLOAT, dims=[4], data_location=1,
        external_data=[
            {"key": "location", "value": location.format(folder=tmp_path)},
            {"key": "length", "value": "16"},
        ],
    )  # fmt: skip
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "w"], ["y"])], "g",
        [tensor("x", 1, [4])], [tensor("y", 1, [4])], [weights],
    )  # fmt: skip
    opset = onnx.helper.make_opsetid("", 20)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    path = tmp_path / "voice" / "encoder.onnx"
    path.parent.mkdir()
    path.write_bytes(model.SerializeToString())

    with pytest.raises(EngineError, match="can't load it"):
        open_session(path)
