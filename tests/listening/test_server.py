"""The server of a listening test: what it sends, what it takes, and what it survives."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dlpo_bench.listening.answers import AnswerKey, read_answers
from tests.listening.conftest import Ballot, RunningServer


def test_the_page_and_its_sounds_are_sent_with_a_strict_policy(
    key: AnswerKey, server: RunningServer
) -> None:
    sounds = [f"/audio/{name}.wav" for trial in key.trials for name in trial.sounds]

    for path in ("/", "/page.js", "/answers.js", "/player.js", "/page.css", "/icon.svg", *sounds):
        status, headers, body = server.request("GET", path)
        assert (status, bool(body)) == (200, True)
        assert headers["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "path",
    ["/key.json", "/../key.json", "/audio/../../key.json", "/audio/%2e%2e/%2e%2e/key.json",
     "/audio/..%2f..%2fkey.json", "/answers/", "/audio/", "/audio/0000000000000000.wav", "//",
     "/page/index.html", "/answers/00000000000000000000000000000000.jsonl"],
)  # fmt: skip
def test_nothing_else_can_be_had(server: RunningServer, path: str) -> None:
    status, _, body = server.request("GET", path)

    assert status == 404
    assert b"hum" not in body


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"{", {}, 400, "JSON"),
        (b"[" * 4_000, {}, 400, "JSON"),
        (b"[]", {}, 400, "not an answer"),
        (b"x" * 5_000, {}, 413, "exceeded"),
        (b"{}", {"Content_Type": "text/plain"}, 415, "application/json"),
        (b"{}", {"Origin": "http://evil.example"}, 403, "own page"),
        (b"{}", {"Origin": "null"}, 403, "own page"),
    ],
)
def test_malformed_answer_is_refused_with_a_reason(
    folder: Path,
    server: RunningServer,
    body: bytes,
    headers: dict[str, str],
    status: int,
    message: str,
) -> None:
    refused, reply = server.post(body, **headers)

    assert refused == status
    assert message in reply["error"]
    assert list((folder / "answers").iterdir()) == []


def test_acknowledged_answers_survive_a_kill(
    folder: Path, key: AnswerKey, ballot: Ballot, server: RunningServer
) -> None:
    sitting = ballot.sitting(5, "Ann", ["a", "b", "same"])
    program = ["-c", "from dlpo.cli import app; app()", "listen", "serve", folder, "--port", "0"]

    with subprocess.Popen([sys.executable, *program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            port = int(process.stdout.readline().split("/, ")[0].rpartition(":")[2])
            at = replace(server, port=port)  # of the process
            assert [at.post(answer)[0] for answer in sitting] == [200] * 5
        finally:
            process.kill()

    assert set(read_answers(folder, key).answers) == set(sitting)
