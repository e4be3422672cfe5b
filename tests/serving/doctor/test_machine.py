"""What the doctor says of a processor and of a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo_serving.local.doctor import Observation, look_at_machine

OLD = "processor : 0\nmodel name : Old\nflags : fpu sse2\n\n"
NEW = OLD.replace("sse2", "avx2 avx512_vnni amx_bf16").replace("Old", "New")
ARM = "processor : 0\nFeatures : fp asimd asimddp i8mm\n"


def observed(folder: Path, cpuinfo: str | None) -> dict[str, Observation]:
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
    found = observed(tmp_path, cpuinfo)

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

    found = observed(tmp_path, NEW)

    assert found["NVIDIA driver"].detail == "580.65.06, NVIDIA H200"
    assert "dlpo[gpu]" in found["GPU"].remedy
