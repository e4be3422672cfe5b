"""A full or read-only disk ends a command with one line, before the work if possible."""

from __future__ import annotations

import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dlpo.cli import app
from dlpo_bench import record

Usage = namedtuple("Usage", "total used free")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_a_full_disk_ends_say_with_one_line(suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"speech{suffix}"
    out.symlink_to("/dev/full")

    result = run("say", "Hello.", "-o", str(out))

    assert result.exit_code == 1
    assert result.stderr.startswith(f"dlpo: can't write {out}: No space left on device; free")


def test_standard_output_that_is_full_ends_say_with_one_line() -> None:
    code = "from dlpo.cli import app; app()"
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code, "say", "Hello.", "-o", "-"],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    assert ended.returncode == 1
    assert ended.stderr.startswith("dlpo: can't write standard output: No space left on device")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["rtf", "stream", "roofline", "scaling", "peers", "quality"])
def test_a_disk_without_room_for_a_record_is_told_before_measuring(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record.shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 10**6))

    result = run("bench", command, "--record", *(["knee"] if command == "stream" else []))

    assert result.exit_code == 1, result.output
    assert "has 1 MB left" in result.stderr
    assert list((tmp_path / "benchmarks" / "records").iterdir()) == []
