"""The commands about keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dlpo.cli import app
from dlpo_serving.operations.keys import KeyRing


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_a_key_is_printed_once_and_let_in(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"

    result = run("keys", "new", "alice", "--file", str(path))

    assert result.exit_code == 0
    assert KeyRing(path, lambda: 0.0).authorize(result.stdout.strip()) == "alice"


def test_callers_are_listed_with_their_quotas(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    for caller in ("bob", "alice", "alice"):
        run("keys", "new", caller, "-f", str(path))
    with path.open("a") as file:
        file.write("[quota.alice]\nmax_streams = 4\ncharacters_per_minute = 20000\n")

    result = run("keys", "list", "-f", str(path))

    assert result.stdout.splitlines() == [
        "alice: 2 keys, 4 streams, 20000 characters a minute",
        "bob: 1 keys, no limits",
    ]


@pytest.mark.parametrize("arguments", [("new", "al ice"), ("list",)])
def test_a_mistake_is_one_line_and_exit_code_1(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = run("keys", *arguments, "--file", str(tmp_path / "keys.toml"))

    assert result.exit_code == 1
    assert result.stderr.startswith("dlpo: ")
    assert result.stdout == ""
