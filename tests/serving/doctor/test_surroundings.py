"""What the doctor says of folders, ports and players."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

import pytest

from dlpo_serving.local.doctor import Observation, look_around


def observed(ports: dict[int, str] | None = None) -> dict[str, Observation]:
    return {one.subject: one for one in look_around(ports or {})}


def test_a_port_that_is_taken_is_told_with_another_way() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        one = observed({port: "HTTP"})[f"port {port}, HTTP"]

    assert one.state == "problem"
    assert "--http-port" in one.remedy


def test_a_folder_that_can_not_be_written_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))

    one = observed()["temporary files"]

    assert one.state == "problem"
    assert "TMPDIR" in one.remedy
