"""What the doctor says of packages, processors and GPUs, folders, ports and players."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from dlpo_serving.local.doctor import Finding, look_at_machine, look_at_packages

DECLARED = """\
Metadata-Version: 2.4
Name: dlpo
Version: 0.1.0
Provides-Extra: serve
Provides-Extra: gpu
Provides-Extra: tensorrt
Requires-Dist: grpcio>=1.76; extra == "serve"
Requires-Dist: onnxruntime>=1.20
Requires-Dist: onnxruntime-gpu[cuda]>=1.31; extra == "gpu"
Requires-Dist: cuda-bindings>=13; extra == "gpu"
Requires-Dist: cuda-bindings>=13; extra == "tensorrt"
Requires-Dist: pywin32; extra == "serve" and sys_platform == "win32"
"""


CUBLAS = 'Provides-Extra: cuda\nRequires-Dist: nvidia-cublas>=13; extra == "cuda"\n'
OLD = "processor : 0\nmodel name : Old\nflags : fpu sse2\n\n"
NEW = OLD.replace("sse2", "avx2 avx512_vnni").replace("Old", "New")
ARM = "processor : 0\nFeatures : fp asimd asimddp i8mm\n"


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (
            {"onnxruntime": "1.31.1"},
            {
                "base install": None,
                "extra serve": ("not installed", "pip install '.[serve]'"),
                "extra gpu": ("not installed", "&& pip uninstall -y onnxruntime &&"),
            },
        ),
        ({"grpcio": "1.80"}, {"base install": ("not installed", "pip install '.'")}),
        (
            {"onnxruntime": "1.31.1", "grpcio": "1.60.0"},
            {"extra serve": ("grpcio is 1.60.0, expected >=1.76", "pip install")},
        ),
        (
            {
                "cuda-bindings": "13.5.0",
                "onnxruntime-gpu": f"1.31.1\n{CUBLAS}",
            },  # its own extra is followed
            {
                "extra gpu": ("without nvidia-cublas", "in a separate environment"),
                "base install": None,
            },
        ),
        (
            {"cuda-bindings": "13.5.0", "onnxruntime-gpu": "1.31.1"},
            {"extra gpu": None, "base install": None},
        ),
    ],
)
def test_what_an_extra_lacks_is_named_with_the_pip_line(
    installed: dict[str, str],
    expected: dict[str, tuple[str, str] | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(tmp_path, monkeypatch, **installed)

    found = {one.subject: one for one in look_at_packages()}

    assert "onnxruntime" not in found
    for subject, message in expected.items():
        one = found[subject]
        assert (one.state != "ok") == bool(message)
        if message:
            assert one.detail == message[0]
            assert message[1] in one.remedy


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """An environment that has dlpo and these, and nothing else."""
    described = {"dlpo": DECLARED}
    for name, version in versions.items():
        described[name] = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
    for name, metadata in described.items():
        info = folder / f"{name.replace('-', '_')}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(metadata)
    monkeypatch.setattr(sys, "path", [str(folder)])


def test_both_builds_of_onnxruntime_are_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, **{"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.1"})

    (one,) = [one for one in look_at_packages() if one.subject == "onnxruntime"]

    assert one.state == "problem"
    assert "pip uninstall" in one.remedy


def of_machine(folder: Path, cpuinfo: str | None) -> dict[str, Finding]:
    path = folder / "cpuinfo"
    if cpuinfo is not None:
        path.write_text(cpuinfo)
    return {one.subject: one for one in look_at_machine(path)}


@pytest.mark.parametrize(
    ("cpuinfo", "states"),
    [
        (OLD, ["problem", "absent"]),
        (NEW, ["ok", "ok"]),
        (ARM, ["ok", "ok"]),
    ],
)
def test_processor_features_are_reported(cpuinfo: str, states: list[str], tmp_path: Path) -> None:
    found = of_machine(tmp_path, cpuinfo)

    assert [found[name].state for name in ("vectors", "8 bits")] == states
    assert all(found[name].remedy or found[name].state == "ok" for name in found if name != "GPU")


@pytest.mark.parametrize(
    ("driver", "installed", "state", "said"),
    [
        ("580.95.05, NVIDIA H200", "13.5.0", "ok", ""),
        ("570.86.15, NVIDIA H200", "13.5.0", "problem", "gpu-cuda12"),
        ("570.86.15, NVIDIA H200", "12.9.10", "ok", ""),
        ("470.57.02, NVIDIA A100", "12.9.10", "problem", "525 or newer"),
    ],
)
def test_a_driver_is_held_against_the_installed_cuda(
    driver: str,
    installed: str,
    state: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{driver}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    install(tmp_path, monkeypatch, **{"cuda-bindings": installed})
    found = of_machine(tmp_path, NEW)["NVIDIA driver"]
    assert (found.state, driver in found.detail) == (state, True)
    assert said in found.remedy


def test_without_a_driver_nothing_is_said_of_cuda(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = of_machine(tmp_path, NEW)
    assert found["GPU"].detail == "no NVIDIA driver"
    assert "CUDA" not in str(found["GPU"])
