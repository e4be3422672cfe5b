"""What the doctor says of folders, ports and players."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

import pytest

from dlpo_serving.local.doctor import PORTS, Observation, look_around
from dlpo_serving.settings.server_settings import ServerSettings


def observed(ports: dict[int, str] | None = None) -> dict[str, Observation]:
    return {one.subject: one for one in look_around(ports or {})}


def test_the_ports_are_those_that_the_server_takes() -> None:
    assert ServerSettings().port in PORTS


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


def test_the_first_player_that_is_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert observed()["audio player"].state == "absent"

    (tmp_path / "aplay").write_text("#!/bin/sh\n")
    (tmp_path / "aplay").chmod(0o755)

    assert observed()["audio player"] == Observation("audio player", "ok", "aplay")
