"""Graphs made to take all time or memory, in bundles with a right seal, and what a server says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo.bundle import MANIFEST
from dlpo.bundle.voice_json import SEAL, seal
from dlpo.errors import BundleError, EngineError
from dlpo_serving.engines.graph_operators import check_operators
from dlpo_serving.voices import find_voice, trial
from dlpo_serving.voices.trial import try_bundle

onnx = pytest.importorskip("onnx", reason="onnx writes graphs: pip install 'dlpo[export]'")
node = onnx.helper.make_node
tensor = onnx.helper.make_tensor_value_info


def model(nodes: list[Any], functions: tuple[Any, ...] = (), inits: tuple[Any, ...] = ()) -> Any:
    """A graph of x to y, four numbers."""
    graph = onnx.helper.make_graph(
        nodes, "g", [tensor("x", 1, [4])], [tensor("y", 1, None)], list(inits)
    )
    imports = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("mine", 1)]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=9, functions=functions)


def loop() -> Any:
    """Two to the 62nd turns."""
    turn = onnx.helper.make_graph(
        [node("Identity", ["go"], ["again"]), node("Neg", ["in"], ["out"])], "turn",
        [tensor("i", 7, []), tensor("go", 9, []), tensor("in", 1, None)],
        [tensor("again", 9, []), tensor("out", 1, None)],
    )  # fmt: skip
    inits = (
        onnx.numpy_helper.from_array(np.array(2**62), "turns"),
        onnx.numpy_helper.from_array(np.array(True), "true"),
    )
    return model([node("Loop", ["turns", "true", "x"], ["y"], body=turn)], inits=inits)


def hidden_loop() -> Any:
    """The same in a branch of a branch."""
    inner = loop().graph
    inner.ClearField("input")
    for _ in range(3):
        inner = onnx.helper.make_graph(
            [node("If", ["true"], ["y"], then_branch=inner, else_branch=inner)], "branch",
            [], [tensor("y", 1, None)],
        )  # fmt: skip
    true = onnx.numpy_helper.from_array(np.array(True), "true")
    return model([node("If", ["true"], ["y"], then_branch=inner, else_branch=inner)], inits=(true,))


def doubling() -> Any:
    """Forty functions, each of which calls the next twice: a million million operators."""
    imports = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("mine", 1)]
    functions = []
    for number in range(40):
        step = [f"f{number + 1}", "mine"] if number < 39 else ["Neg", ""]
        nodes = [node(step[0], [a], [b], domain=step[1]) for a, b in (("a", "b"), ("b", "c"))]
        made = onnx.helper.make_function("mine", f"f{number}", ["a"], ["c"], nodes, imports)
        functions.append(made)
    return model([node("f0", ["x"], ["y"], domain="mine")], tuple(functions))


@pytest.mark.parametrize(
    ("made", "reason"), [(loop, "Loop"), (hidden_loop, "Loop"), (doubling, "40 functions")]
)
def test_what_may_run_without_end_is_refused(made: Callable[[], Any], reason: str) -> None:
    with pytest.raises(EngineError, match=f"bomb.onnx: has .*{reason}"):
        check_operators(made().SerializeToString(), "bomb.onnx")


def field(number: int, content: bytes) -> bytes:
    """A message within a message. Reference: protobuf.dev, "Encoding"."""
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes((size & 127 | 128,)), size >> 7
    return bytes((number << 3 | 2,)) + length + bytes((size,)) + content


def nested(depth: int) -> bytes:
    """Branches of branches of a Loop; onnx itself does not write hundreds."""
    content = field(1, field(4, b"Loop"))
    for _ in range(depth):
        content = field(1, field(5, field(6, content)))
    return field(7, content)


def test_deeply_nested_graphs_and_noise_are_refused() -> None:
    for content, message in (
        (nested(10), "Loop"),
        (nested(500), "no ONNX"),
        (b"\xff" * 99, "no ONNX"),
    ):
        with pytest.raises(EngineError, match=message):
            check_operators(content, "bomb.onnx")


@pytest.mark.parametrize("path", sorted(find_voice("lj").glob("*.onnx")), ids=lambda one: one.name)
def test_the_graphs_that_ship_pass(path: Path) -> None:
    check_operators(path.read_bytes(), path.name)


def with_encoder(change: Callable[[Any], None], folder: Path) -> Path:
    """The shipped voice, its encoder changed and its manifest sealed again."""
    voice = folder / "voice"
    shutil.copytree(find_voice("lj"), voice)
    values = json.loads((voice / MANIFEST).read_bytes())
    del values[SEAL]
    for name in set(values["graphs"]["encoder"]["files"].values()):
        changed = onnx.load(voice / name, load_external_data=False)
        change(changed.graph)
        content = changed.SerializeToString()
        (voice / name).write_bytes(content)
        values["files"][name] = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    (voice / MANIFEST).write_bytes(seal(values))
    return voice


def add_to_output(graph: Any, *nodes: Any, value: str, **inits: Any) -> None:
    """Add 0 times `value` to the first output."""
    output = graph.output[0].name
    for one in graph.node:
        one.output[:] = ["before" if name == output else name for name in one.output]
        one.input[:] = ["before" if name == output else name for name in one.input]
    for name, array in {"nothing": np.float32(0), **inits}.items():
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), name))
    graph.node.extend([
        *nodes,
        node("ReduceMax", [value], ["largest"], keepdims=0),
        node("Mul", ["largest", "nothing"], ["none"]),
        node("Add", ["before", "none"], [output]),
    ])  # fmt: skip


def fill(graph: Any) -> None:
    """16 GB of zeros."""
    zeros = node("ConstantOfShape", ["shape"], ["much"])
    add_to_output(graph, zeros, value="much", shape=np.array([1 << 32]))


def multiply(graph: Any) -> None:
    """Products of large matrices, hours of them."""
    ones = node("ConstantOfShape", ["shape"], ["p0"])
    products = [node("MatMul", [f"p{n}", "p0"], [f"p{n + 1}"]) for n in range(200)]
    add_to_output(graph, ones, *products, value="p200", shape=np.array([4000, 4000]))


def test_a_graph_that_demands_all_memory_ends_a_trial_alone(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="failed in a process that may take 4 GB"):
        try_bundle(with_encoder(fill, tmp_path))


@pytest.mark.full
def test_a_graph_that_computes_for_hours_ends_a_trial_alone(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="took more than 60 s of processor"):
        try_bundle(with_encoder(multiply, tmp_path))


def test_a_trial_passes_a_sound_bundle_and_refuses_a_damaged_one(tmp_path: Path) -> None:
    try_bundle(find_voice("lj"))
    (tmp_path / "none.dlpo").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(BundleError, match="damaged"):
        try_bundle(tmp_path / "none.dlpo")


def test_a_run_time_that_crashes_is_reported() -> None:
    assert "crashed" in trial._reason(-11, "")
    assert "exit code 1" in trial._reason(1, "")
