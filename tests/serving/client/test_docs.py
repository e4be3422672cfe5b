"""The commands and programs in docs/client.md run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DOCS = (Path(__file__).resolve().parents[3] / "docs/client.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^.*dlpo say .* -o .*$", DOCS, re.MULTILINE)
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_runs(program: str, server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert "127.0.0.1:50051" in program

    exec(program.replace("127.0.0.1:50051", server.address), {"__name__": "docs"})

    if program == PROGRAMS[0]:  # it says what its comment promises
        said = capsys.readouterr().out.splitlines()
        assert said[0] in program
        assert said[1].split()[1] == "hello"


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(command: str, server: Any, tmp_path: Path) -> None:
    here = f"{shlex.quote(sys.executable)} -c 'from dlpo.cli import app; app()' "
    line = command.replace("127.0.0.1:50051", server.address).replace("dlpo ", here, 1)

    subprocess.run(["bash", "-euc", line], cwd=tmp_path, check=True, capture_output=True)

    (written,) = tmp_path.iterdir()
    assert written.stat().st_size > 1000
