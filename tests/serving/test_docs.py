"""Programs and commands of the pages about clients and HTTP run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serving.conftest import RunningServer, StartServer

PAGES = Path(__file__).resolve().parents[2] / "docs"
CLIENT, HTTP = ((PAGES / f"{name}.md").read_text("utf-8") for name in ("client", "http"))


COMMANDS = re.findall(r"^.*dlpo say .* -o .*$", CLIENT, re.MULTILINE)
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", CLIENT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_runs(
    program: str,
    server: RunningServer,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ("Client(" in program) == ("127.0.0.1:50051" in program)
    monkeypatch.chdir(tmp_path)

    exec(program.replace("127.0.0.1:50051", server.address), {"__name__": "docs"})

    if "processed_text" in program:  # it says what its comment promises
        said = capsys.readouterr().out.splitlines()
        assert said[0] in program
        assert said[1].split()[1] == "hello"


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(command: str, server: RunningServer, tmp_path: Path) -> None:
    here = f"{shlex.quote(sys.executable)} -c 'from dlpo_cli import app; app()' "
    line = command.replace("127.0.0.1:50051", server.address).replace("dlpo ", here, 1)

    subprocess.run(["bash", "-euc", line], cwd=tmp_path, check=True, capture_output=True)

    (written,) = tmp_path.iterdir()
    assert written.stat().st_size > 1000


def test_the_program_speaks(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = start_server(http_port=0).http_url.rstrip("/")
    (program,) = re.findall(r"```python\n(.*?)```", HTTP, re.DOTALL)
    here = program.replace("http://localhost:8080", url).replace('"heart"', '"fake"')
    assert here.count(url) == 1
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}

    exec(here, scope)

    scope["client"].close()
    assert (tmp_path / "noise.wav").read_bytes()[:4] == b"RIFF"
