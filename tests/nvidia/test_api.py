"""Our calls against the real packages, by way of stub libraries where TensorRT's own are absent.

The fakes allow only what `api.json` has; the newest and the oldest packages must have all of it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
API = Path(__file__).parent / "api.json"
STUBS = Path(__file__).parent / "stubs"
LIBRARIES = ("nvinfer", "nvonnxparser", "nvinfer_plugin")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_bindings") is None
    or importlib.util.find_spec("cuda") is None,
    reason="needs the packages tensorrt-cu13-bindings and cuda-bindings (dlpo[dev])",
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of a process that can import the real bindings."""
    if importlib.util.find_spec("tensorrt_libs") is not None:
        return dict(os.environ)  # the real libraries are here
    return with_stubs(tmp_path_factory.mktemp("stubs"), 11)


def with_stubs(folder: Path, version: int) -> dict[str, str]:
    """Variables of a process that finds libraries of that TensorRT, which do nothing."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler for the stub libraries")
    for name in LIBRARIES:
        library = folder / f"lib{name}.so.{version}"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, STUBS / "stub.c"], check=True)
    paths = [str(folder), os.environ.get("LD_LIBRARY_PATH", "")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, paths))}


def python(environment: dict[str, str], *arguments: str | Path) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_newest_packages_have_the_recorded_api(environment: dict[str, str]) -> None:
    assert json.loads(python(environment, STUBS / "describe.py", API)) == json.loads(
        API.read_text()
    )


@pytest.mark.full
def test_the_oldest_packages_have_the_recorded_api(tmp_path: Path) -> None:
    packages = ("tensorrt-cu12-bindings==10.9.0.34", "cuda-bindings==12.8.0")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    if subprocess.run([*install, tmp_path / "site", *packages], check=False).returncode:
        pytest.skip(f"needs {' and '.join(packages)} from a package index")
    environment = with_stubs(tmp_path, 10) | {"PYTHONPATH": str(tmp_path / "site")}

    assert json.loads(python(environment, STUBS / "describe.py", API)) == json.loads(
        API.read_text()
    )


def test_real_bindings_without_a_driver_end_in_our_error(environment: dict[str, str]) -> None:
    if importlib.util.find_spec("tensorrt_libs") is not None:
        pytest.skip("TensorRT is here and would really build")
    build = (
        "import onnx\n"
        "from onnx import helper, TensorProto as T\n"
        "from dlpo.errors import EngineError\n"
        "from dlpo.nvidia import find_gpu, load_tensorrt\n"
        "from dlpo_export.tensorrt.build import build_plan\n"
        "from dlpo_export.tensorrt.options import TensorrtOptions\n"
        "x, y = (helper.make_tensor_value_info(n, T.FLOAT, ['B', 'F']) for n in 'xy')\n"
        "graph = helper.make_graph([helper.make_node('Relu', ['x'], ['y'])], 'g', [x], [y])\n"
        "try:\n"
        "    build_plan(load_tensorrt(), helper.make_model(graph), TensorrtOptions())\n"
        "except EngineError as error:\n"
        "    print(error)\n"
    )
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("", "export", "serving"))

    said = python({**environment, "PYTHONPATH": paths}, "-c", build)

    assert said.startswith("g: TensorRT can't start; is there a GPU and a driver?")
