"""dlpo-speak, the command of screen readers, against a running server."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.callers import ServerProcess, server_process

SPEAK = Path(__file__).resolve().parents[2] / "deploy" / "speech-dispatcher" / "dlpo-speak"
# As awk in a locale whose decimal sign is a comma: that of the caller, where nothing sets C.
GERMAN_AWK = """#!/bin/sh
if [ "${LC_ALL:-}" = C ]; then exec %s "$@"; fi
%s "$@" | tr . ,
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with server_process(tmp_path_factory.mktemp("server"), "--lanes", "1") as server:
        yield server


def spoken(
    text: str, url: str, *arguments: str, path: str = os.environ["PATH"]
) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "DLPO_URL": url, "PATH": path}
    environment.pop("LC_ALL", None)
    return subprocess.run(
        ["sh", SPEAK, *arguments], input=text.encode(), env=environment, capture_output=True
    )


def length_s(sound: bytes) -> float:
    """Of a WAV file whose header was written before its length was known."""
    with wave.open(io.BytesIO(sound)) as file:
        return len(file.readframes(1 << 30)) / 2 / file.getframerate()


def test_it_speaks_where_decimals_have_a_comma(server: ServerProcess, tmp_path: Path) -> None:
    awk = shutil.which("awk")
    (tmp_path / "awk").write_text(GERMAN_AWK % (awk, awk))
    (tmp_path / "awk").chmod(0o755)
    url = f"http://{server.http_address}"
    there = spoken("Hello there.", url, "lj", "40", path=f"{tmp_path}:{os.environ['PATH']}")
    here = spoken("Hello there.", url, "lj", "40")
    assert there.returncode == 0, there.stderr
    assert there.stdout == here.stdout
    assert length_s(here.stdout) < length_s(spoken("Hello there.", url).stdout)


@pytest.mark.parametrize("text", ["", " \n", ",", "(", ". . .", "\t!?"])
def test_a_text_without_words_is_silence(server: ServerProcess, text: str) -> None:
    result = spoken(text, f"http://{server.http_address}")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("text", "voice"), [("<speak>Not <b>closed</speak>", ""), ("Hello.", "nobody")]
)
def test_an_error_is_reported_and_never_played(
    server: ServerProcess, text: str, voice: str
) -> None:
    result = spoken(text, f"http://{server.http_address}", voice)
    assert result.stdout == b""
    assert result.returncode != 0
    assert b"curl" in result.stderr


def test_without_a_server_nothing_is_played() -> None:
    result = spoken("Hello.", "http://127.0.0.1:9")
    assert result.stdout == b""
    assert result.returncode != 0


def test_what_a_shell_would_read_is_only_text(server: ServerProcess, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = f'It\'s "quoted" \\ $(touch {mark}) `touch {mark}` end.'
    result = spoken(text, f"http://{server.http_address}")
    assert result.returncode == 0, result.stderr
    assert length_s(result.stdout) > 1
    assert not mark.exists()
