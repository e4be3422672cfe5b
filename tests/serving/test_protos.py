"""The stubs that are checked in are those of the .proto files."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_stubs_have_not_drifted_from_the_proto_files(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is in the dev extra")
    generate = runpy.run_path(str(ROOT / "protos/generate.py"))["generate"]

    stubs = generate(tmp_path)

    assert stubs
    for stub in stubs:
        checked_in = ROOT / stub.relative_to(tmp_path)
        assert checked_in.read_text() == stub.read_text(), "run: python protos/generate.py"
