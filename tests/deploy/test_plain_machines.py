"""compose.yaml and the systemd unit: in step with the image and the server, and without rights."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from dlpo.config.fields import kinds_of
from dlpo_serving.settings.server_settings import PREFIX, ServerSettings

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy/systemd/dlpo.service"
KNOWN = {PREFIX + name.upper() for name in kinds_of(ServerSettings)}
MOST_EXPOSED = 2.0  # of 10, by systemd-analyze


def image_settings() -> ServerSettings:
    return ServerSettings(**tomllib.loads((ROOT / "scripts/image/cpu.toml").read_text("utf-8")))


def test_compose_runs_the_image_without_rights() -> None:
    (service,) = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"].values()
    settings = image_settings()

    assert service["environment"].keys() <= KNOWN
    assert int(service["environment"]["DLPO_LANES"]) == service["cpus"]
    assert service["ports"] == [
        f"127.0.0.1:{port}:{port}" for port in (settings.port, settings.http_port)
    ]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert f"AS {service['build']['target']}\n" in (ROOT / "Dockerfile").read_text()
    assert int(service["stop_grace_period"].rstrip("s")) >= settings.grace_s + 10


def test_the_unit_gives_streams_their_time() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    service = unit["Service"]

    assert int(service["TimeoutStopSec"]) >= image_settings().grace_s + 10
    names = re.findall(r"(DLPO_\w+)=", service["Environment"])
    assert names == ["DLPO_CONFIG"]
    assert set(names) <= KNOWN


def test_systemd_finds_the_unit_safe() -> None:
    if (systemd := shutil.which("systemd-analyze")) is None:
        pytest.skip("there is no systemd-analyze")
    command = [systemd, "security", "--offline=true", "--no-pager", UNIT]
    rated = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    exposure = re.search(r"exposure level for dlpo\.service: ([\d.]+)", rated)
    assert exposure, rated
    assert float(exposure[1]) <= MOST_EXPOSED
