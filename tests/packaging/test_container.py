"""The Dockerfile, compose.yaml and the systemd unit: in step with the server, without rights."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from dlpo.config.fields import kinds_of
from dlpo_serving.settings.server_settings import PREFIX, ServerSettings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile"
TARGETS = ("cpu", "gpu", "train")
SERVERS = ("cpu", "gpu")
UNIT = ROOT / "deploy/systemd/dlpo.service"
KNOWN = {PREFIX + name.upper() for name in kinds_of(ServerSettings)}
MOST_EXPOSED = 2.0  # of 10, by systemd-analyze


def stages() -> dict[str, tuple[str, list[str]]]:
    """Name of each stage -> what it continues, and its instructions."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE)
    found: dict[str, tuple[str, list[str]]] = {}
    for line in filter(None, text.replace("\\\n", " ").splitlines()):
        if start := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            found[start[2]] = (start[1], [])
        elif found:
            found[list(found)[-1]][1].append(line)
    return found


def settings_of(target: str) -> ServerSettings:
    """Those of an image."""
    text = (ROOT / "scripts" / "image" / f"{target}.toml").read_text("utf-8")
    return ServerSettings(**tomllib.loads(text))


def instructions(target: str) -> list[str]:
    """Those that make the image of a target, from its base on."""
    parent, own = stages()[target]
    return (instructions(parent) if parent in stages() else []) + own


def last(target: str, name: str) -> str:
    """The argument of the instruction that holds."""
    found = [line for line in instructions(target) if line.startswith(f"{name} ")]
    return found[-1].partition(" ")[2]


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sysconfig.get_path("scripts"), "hadolint")

    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_image_holds_its_lock_and_has_no_shell_or_root(target: str) -> None:
    assert not [line for line in instructions(target) if line.startswith("RUN ")]
    json.loads(last(target, "ENTRYPOINT"))  # exec form
    json.loads(last(target, "CMD"))
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last(target, "USER"))
    assert f"COPY --from={target}-environment /opt/dlpo /opt/dlpo" in instructions(target)
    (line,) = [line for line in instructions(f"{target}-environment") if "install-locked" in line]
    arguments = dict(
        entry.removeprefix("ARG ").partition("=")[::2]
        for entry in instructions(f"{target}-environment")
        if entry.startswith("ARG ")
    )
    lock = re.sub(r"\$\{(\w+)\}", lambda name: arguments[name[1]], line).replace('"', "")
    assert lock.endswith(f"install-locked /src/locks/{target}.txt")


@pytest.mark.parametrize("target", SERVERS)
def test_a_server_s_health_is_asked_without_a_shell(target: str) -> None:
    options, _, command = last(target, "HEALTHCHECK").partition(" CMD ")

    assert json.loads(command) == ["/opt/dlpo/bin/dlpo", "health"]
    assert "--timeout=" in options
    assert last(target, "STOPSIGNAL") == "SIGTERM"


@pytest.mark.parametrize("target", SERVERS)
def test_image_settings_open_the_exposed_ports(target: str) -> None:
    settings = settings_of(target)
    ports = (settings.port, settings.http_port, settings.health_port)
    assert last(target, "EXPOSE").split() == [str(port) for port in ports]
    assert {settings.host, settings.http_host, settings.health_host} == {"0.0.0.0"}
    assert settings.engine == ("cuda" if target == "gpu" else "cpu")


def test_build_context_is_exactly_what_is_copied() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    shown = {line[1:] for line in lines if line.startswith("!")}
    copies = (line for _, own in stages().values() for line in own if line.startswith("COPY "))
    copied = {source for line in copies if "--from=" not in line for source in line.split()[1:-1]}

    assert "*" in lines
    assert all((ROOT / source).exists() for source in copied)
    for source in copied:
        assert any(source == name or source.startswith(f"{name}/") for name in shown), source
    for name in shown:
        assert any(source == name or source.startswith(f"{name}/") for source in copied), name


def test_compose_runs_the_image_without_rights() -> None:
    (service,) = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"].values()
    settings = settings_of("cpu")

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

    assert int(service["TimeoutStopSec"]) >= settings_of("cpu").grace_s + 10
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
