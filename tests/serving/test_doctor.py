"""What the doctor says of packages, processors and GPUs, folders, ports and players."""

from __future__ import annotations

import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dlpo_serving.local.doctor import Observation, look_around, look_at_machine, look_at_packages

DECLARED = """\
Metadata-Version: 2.4
Name: dlpo
Version: 0.1.0
Provides-Extra: serve
Provides-Extra: gpu
Provides-Extra: tensorrt
Requires-Dist: rich>=13
Requires-Dist: grpcio>=1.76; extra == "serve"
Requires-Dist: onnxruntime>=1.20; extra == "serve"
Requires-Dist: grpcio>=1.76; extra == "gpu"
Requires-Dist: onnxruntime-gpu[cuda]>=1.31; extra == "gpu"
Requires-Dist: cuda-bindings>=13; extra == "tensorrt"
Requires-Dist: pywin32; extra == "serve" and sys_platform == "win32"
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """`install("grpcio", "1.80")`, in an environment that has dlpo and nothing else."""

    def add(name: str, version: str, *further: str) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *further]
        (folder / "METADATA").write_text("\n".join(lines) + "\n")

    (tmp_path / "dlpo-0.1.0.dist-info").mkdir()
    (tmp_path / "dlpo-0.1.0.dist-info" / "METADATA").write_text(DECLARED)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return add


def observed() -> dict[str, Observation]:
    return {one.subject: one for one in look_at_packages()}


def test_what_an_extra_lacks_is_named_with_the_pip_line(install: Install) -> None:
    install("onnxruntime", "1.31.1")

    serve = observed()["extra serve"]

    assert (serve.state, serve.detail) == ("problem", "without grpcio")
    assert serve.remedy == "pip install '.[serve]'"


def test_a_package_that_is_too_old_is_told_with_both_versions(install: Install) -> None:
    install("grpcio", "1.60.0")
    install("onnxruntime", "1.31.1")

    assert observed()["extra serve"].detail == "grpcio is 1.60.0, expected >=1.76"


def test_the_build_for_gpus_does_in_place_of_that_for_cpus(install: Install) -> None:
    install("grpcio", "1.80")
    install("onnxruntime-gpu", "1.31.1")

    found = observed()

    assert found["extra serve"].state == found["extra gpu"].state == "ok"
    assert "onnxruntime" not in found


def test_an_extra_of_a_package_is_followed(install: Install) -> None:
    install("grpcio", "1.80")
    install(
        "onnxruntime-gpu", "1.31.1",
        "Provides-Extra: cuda", 'Requires-Dist: nvidia-cublas>=13; extra == "cuda"',
    )  # fmt: skip

    gpu = observed()["extra gpu"]

    assert gpu.detail == "without nvidia-cublas"
    assert "in an environment of its own" in gpu.remedy


def test_both_builds_of_onnxruntime_are_a_problem(install: Install) -> None:
    install("onnxruntime", "1.31.1")
    install("onnxruntime-gpu", "1.31.1")

    assert observed()["onnxruntime"].state == "problem"
    assert "pip uninstall" in observed()["onnxruntime"].remedy


OLD = "processor : 0\nmodel name : Old\nflags : fpu sse2\n\n"
NEW = OLD.replace("sse2", "avx2 avx512_vnni amx_bf16").replace("Old", "New")
ARM = "processor : 0\nFeatures : fp asimd asimddp i8mm\n"


def of_machine(folder: Path, cpuinfo: str | None) -> dict[str, Observation]:
    path = folder / "cpuinfo"
    if cpuinfo is not None:
        path.write_text(cpuinfo)
    return {one.subject: one for one in look_at_machine(path)}


@pytest.mark.parametrize(
    ("cpuinfo", "states"),
    [
        (OLD, ["problem", "absent", "absent"]),
        (NEW, ["ok", "ok", "ok"]),
        (ARM, ["ok", "ok", "absent"]),
    ],
)
def test_features_of_the_processor_are_told(
    cpuinfo: str, states: list[str], tmp_path: Path
) -> None:
    found = of_machine(tmp_path, cpuinfo)

    assert [found[name].state for name in ("vectors", "8 bits", "bfloat16")] == states
    assert all(found[name].remedy or found[name].state == "ok" for name in found if name != "GPU")


def test_a_driver_without_the_packages_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 580.65.06, NVIDIA H200\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "cuda.bindings.runtime", None)

    found = of_machine(tmp_path, NEW)

    assert found["NVIDIA driver"].detail == "580.65.06, NVIDIA H200"
    assert "[gpu]" in found["GPU"].remedy


def around(ports: dict[int, str] | None = None) -> dict[str, Observation]:
    return {one.subject: one for one in look_around(ports or {})}


def test_a_port_that_is_taken_is_told_with_another_way() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        one = around({port: "HTTP"})[f"port {port}, HTTP"]

    assert one.state == "problem"
    assert "--http-port" in one.remedy


def test_a_folder_that_can_not_be_written_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))

    one = around()["temporary files"]

    assert one.state == "problem"
    assert "TMPDIR" in one.remedy
