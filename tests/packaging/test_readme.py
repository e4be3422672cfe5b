"""What the README shows is what happens: its snippets are run, its commands and options exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dlpo.cli import app
from dlpo_serving.local_server import local_server

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:50051"


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = "".join(snippets("sh")).splitlines()
    return [line for line in lines if not line.startswith("pip ")]


SPOKEN = [c for c in commands() if re.search(r"dlpo (say|phonemes|voices)", c)]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with local_server("lj") as server:
        yield server.address


@pytest.mark.parametrize("snippet", snippets("python"))
def test_python_snippet_runs(snippet: str, address: str, tmp_path: Path) -> None:
    code = snippet.replace(ADDRESS, address)

    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)

    (written,) = tmp_path.iterdir()
    assert written.stat().st_size > 10_000


@pytest.mark.parametrize("command", SPOKEN)
def test_speaking_command_runs(command: str, address: str, tmp_path: Path) -> None:
    here = f"{shlex.quote(sys.executable)} -c 'from dlpo.cli import app; app()'"
    line = command.replace(ADDRESS, address).replace("dlpo ", f"{here} ", 1)

    subprocess.run(["bash", "-euc", line], cwd=tmp_path, check=True, capture_output=True)

    for written in tmp_path.iterdir():
        assert written.stat().st_size > 10_000


@pytest.mark.parametrize("command", [c for c in commands() if c not in SPOKEN])
def test_every_option_shown_exists(command: str) -> None:
    words = shlex.split(command.removeprefix("dlpo "), comments=True)
    depth = 2 if words[0] == "bench" else 1  # a group of commands
    path, rest = words[:depth], words[depth:]

    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*path, "--help"])

    assert shown.exit_code == 0
    for option in (word for word in rest if word.startswith("--")):
        assert option in shown.stdout
