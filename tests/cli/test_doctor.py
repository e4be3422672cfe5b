"""`dlpo doctor`: what it prints, and the exit code that says whether speaking works."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import dlpo_serving.local.doctor as engines_module
from dlpo.bundle import DEFAULT_VOICE
from dlpo_serving.engines import PRECISIONS
from dlpo_serving.local.doctor import try_engines
from tests.callers import command

run = partial(command, "doctor")


@pytest.fixture
def only_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """One engine instead of all: each takes a process."""
    monkeypatch.setattr(engines_module, "PRECISIONS", {"cpu": PRECISIONS["cpu"]})


@pytest.mark.usefixtures("only_the_cpu")
def test_programs_get_json_and_0_where_an_engine_speaks(tmp_path: Path) -> None:
    (tmp_path / "nisqa.tar").touch()

    result = run("--json", "--weights", str(tmp_path))
    message = json.loads(result.stdout)

    assert result.exit_code == 0
    assert message["speaks"] is True
    assert message["versions"]["python"]
    states = {one["subject"]: one["state"] for one in message["engines"]}
    assert states["engine cpu fp32"] == "ok"
    assert "RTF" in message["engines"][0]["detail"]
    assert [one["state"] for one in message["judges"]] == ["ok", "absent"]


@pytest.mark.usefixtures("only_the_cpu")
def test_people_get_the_verdict_and_the_problems_first(tmp_path: Path) -> None:
    result = run("--voice", str(tmp_path / "nobody"))

    assert result.exit_code == 1
    verdict, problem, *_ = result.stdout.splitlines()
    assert verdict == "no engine speaks"
    assert "no voice" in problem
    assert f"Built in: {DEFAULT_VOICE} (woman" in problem
    assert "optional things are absent; to list them: dlpo doctor --all" in result.stdout
    assert "get it from" not in result.stdout  # the judges' weights


def test_without_the_extra_it_says_what_to_install() -> None:
    """With the base install alone: the packages of every extra can't be imported."""
    absent = (
        "onnxruntime", "grpc", "google.protobuf", "av", "soundfile", "soxr", "prometheus_client",
        "aiohttp",
    )  # fmt: skip
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent!r}));"
        "from dlpo_serving.local import doctor as engines;"
        "engines.PRECISIONS = {};"
        "from dlpo_cli import app; app()"
    )

    result = subprocess.run([sys.executable, "-c", code, "doctor"], capture_output=True, text=True)

    assert result.returncode == 1, result.stderr
    assert "no engine speaks" in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("only_the_cpu")
@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("echo 'bad instruction' >&2; kill -ILL $$", "ended by SIGILL: bad instruction"),
        ("exec sleep 60", "no speech within"),
    ],
)
def test_crashing_or_hanging_engine_is_reported(
    script: str, detail: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python"  # in the place of the trial's
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(engines_module.sys, "executable", str(program))
    monkeypatch.setattr(engines_module, "TRIAL_S", 2.0)

    (one,) = try_engines("lj")

    assert one.state == "problem"
    assert detail in one.detail
