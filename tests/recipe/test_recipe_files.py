"""The recipes that are there: every command is one that dlpo has, with options that it knows."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dlpo.bundle import Bundle
from dlpo_cli import app
from dlpo_serving.voices import find_voice
from recipe.stages import jobs, read_recipe

ROOT = Path(__file__).resolve().parents[2]
FILES = ("recipe/voice.toml", "recipe/gpu.toml", "benchmarks/records.toml")
COMMANDS = {  # one of each stage's jobs
    f"{file}: {job.stage.name}": job for file in FILES for job in jobs(read_recipe(ROOT / file))
}
KEEP = ROOT / "scripts/keep_records.py"


@pytest.mark.parametrize("name", [name for name, job in COMMANDS.items() if job.words[0] == "dlpo"])
def test_options_are_known(name: str) -> None:
    job = COMMANDS[name]
    shown = CliRunner().invoke(app, [*job.words[1:], "--help"])
    assert shown.exit_code == 0, shown.output


@pytest.mark.parametrize(
    "name", [name for name, job in COMMANDS.items() if job.words[0] == "python"]
)
def test_programs_are_there(name: str) -> None:
    job = COMMANDS[name]
    if job.words[1] == "-m":
        assert importlib.util.find_spec(job.words[2])
    else:
        assert (ROOT / job.words[1]).exists()


def keep(work: Path) -> str:
    done = subprocess.run([sys.executable, KEEP, work], capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr


def record(work: Path, **changes: object) -> None:
    """A shipped record, changed, among those that wait."""
    newest = max((ROOT / "benchmarks/records").glob("load-*.json"))
    known = json.loads(newest.read_text()) | {"bundle_sha256": Bundle.load(find_voice("lj")).sha256}
    place = work / "benchmarks/load" / newest.name
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(known | changes))


def test_records_of_another_bundle_are_not_kept(tmp_path: Path) -> None:
    assert "no records" in keep(tmp_path)
    record(tmp_path, bundle_sha256="0" * 64)
    assert "000000000000" in keep(tmp_path)


def test_records_of_changed_code_are_not_kept(tmp_path: Path) -> None:
    record(tmp_path, commit={"hash": "0" * 40, "dirty": True})
    assert "clean tree" in keep(tmp_path)
