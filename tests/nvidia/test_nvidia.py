"""What of NVIDIA's is found here, and what is said where it is missing."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from dlpo.errors import EngineError
from dlpo.nvidia import call, find_gpu, load_tensorrt
from tests.nvidia.nvidia_fake import FakeNvidia


@pytest.mark.parametrize(("driver", "why"), [(0, "there is no driver"), (12040, "Insufficient")])
def test_a_missing_and_an_old_driver_differ(nvidia: FakeNvidia, driver: int, why: str) -> None:
    nvidia.device.count, nvidia.device.driver = 0, driver

    with pytest.raises(EngineError, match=rf"here \(.*{why}.*a GPU and a driver of 580 or newer"):
        find_gpu()


def test_failed_call_names_function_and_status(nvidia: FakeNvidia) -> None:
    with pytest.raises(
        EngineError, match=r"cudaMalloc: .*cudaErrorMemoryAllocation\); free GPU memory"
    ):
        call(nvidia.cuda, nvidia.cuda.cudaMalloc, 1 << 40)


@pytest.mark.parametrize(
    ("error", "match"),
    [
        (ModuleNotFoundError("tensorrt"), r"not installed: pip install .*tensorrt-cu13==11\.4"),
        (
            ImportError("libnvinfer.so.11: cannot open shared object file"),
            r"\(libnvinfer.so.11: .*install NVIDIA's libraries: pip",
        ),
    ],
)
def test_missing_tensorrt_says_where_to_get_it(
    error: ImportError, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NotHere:
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name in ("tensorrt", "tensorrt_bindings"):
                raise error

    monkeypatch.setattr(sys, "meta_path", [NotHere(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)

    with pytest.raises(EngineError, match=match):
        load_tensorrt()


@pytest.mark.parametrize(
    ("version", "match"),
    [
        ("10.8.0.43", r"TensorRT is 10\.8\.0\.43; expected 10\.9"),
        ("10.0.0b6", r"expected 10\.9"),
        (None, "empty placeholder package"),
    ],
)
def test_older_or_empty_tensorrt_is_refused(
    monkeypatch: pytest.MonkeyPatch, version: str | None, match: str
) -> None:
    module = ModuleType("tensorrt")
    if version:
        module.__version__ = version
    monkeypatch.setitem(sys.modules, "tensorrt", module)

    with pytest.raises(EngineError, match=match):
        load_tensorrt()
