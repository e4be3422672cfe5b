"""The server of a listening test: what it sends, what it takes, and what it survives."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from dlpo.errors import DataError, InputError
from dlpo_bench.listening.answers import AnswerKey, AnswerStore, RaterAnswer, read_answers
from dlpo_bench.listening.server import build_app


@pytest.fixture
def answer(ballot: Any) -> Any:
    return ballot.answer(ballot.of_kind("pair")[0], "a")


def test_the_page_and_its_sounds_are_sent_with_a_strict_policy(key: AnswerKey, door: Any) -> None:
    sounds = [f"/audio/{name}.wav" for trial in key.trials for name in trial.sounds]

    for path in ("/", "/page.js", "/answers.js", "/player.js", "/page.css", "/icon.svg", *sounds):
        status, headers, body = door.request("GET", path)
        assert (status, bool(body)) == (200, True)
        assert headers["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers


def test_a_part_of_a_sound_can_be_asked_for(key: AnswerKey, door: Any) -> None:
    (name, _) = key.trials[0].sounds

    status, headers, body = door.request("GET", f"/audio/{name}.wav", Range="bytes=0-3")

    assert (status, body) == (206, b"RIFF")
    assert headers["Content-Type"] in ("audio/x-wav", "audio/wav", "audio/vnd.wave")


@pytest.mark.parametrize(
    "path",
    ["/key.json", "/../key.json", "/audio/../../key.json", "/audio/%2e%2e/%2e%2e/key.json",
     "/audio/..%2f..%2fkey.json", "/answers/", "/audio/", "/audio/0000000000000000.wav", "//",
     "/page/index.html", "/answers/00000000000000000000000000000000.jsonl"],
)  # fmt: skip
def test_nothing_else_can_be_had(door: Any, path: str) -> None:
    status, _, body = door.request("GET", path)

    assert status == 404
    assert b"hum" not in body


def test_answers_cannot_be_read(door: Any, answer: Any) -> None:
    door.post(answer)

    status, headers, _ = door.request("GET", "/answers")

    assert (status, headers["Allow"]) == (405, "POST")


def test_an_acknowledged_answer_is_stored_once(
    folder: Path, key: AnswerKey, door: Any, answer: Any
) -> None:
    assert door.post(answer) == (200, {"stored": 1})
    assert door.post(answer) == (200, {"stored": 1})

    assert read_answers(folder, key).answers == (answer,)
    (path,) = (folder / "answers").iterdir()
    assert path.read_text() == answer.to_json()


@pytest.mark.parametrize(
    ("body", "headers", "status", "told"),
    [
        (b"{", {}, 400, "not JSON"),
        (b"\xff", {}, 400, "not JSON"),
        (b"[" * 4_000, {}, 400, "not JSON"),
        (b"[]", {}, 400, "not an answer"),
        (b"x" * 5_000, {}, 413, "exceeded"),
        (b"{}", {"Content_Type": "text/plain"}, 415, "application/json"),
        (b"{}", {"Content_Type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        (b"{}", {"Origin": "http://evil.example"}, 403, "own page"),
        (b"{}", {"Origin": "null"}, 403, "own page"),
    ],
)
def test_what_is_no_answer_is_refused_with_a_reason(
    folder: Path, door: Any, body: bytes, headers: dict[str, str], status: int, told: str
) -> None:
    refused, reply = door.post(body, **headers)

    assert refused == status
    assert told in reply["error"]
    assert list((folder / "answers").iterdir()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("trial", "0" * 16), ("choice", "both"), ("session", "../../../tmp/x"), ("test", "f" * 16)],
)
def test_an_answer_that_does_not_belong_here_is_refused(
    folder: Path, door: Any, answer: Any, field: str, value: str
) -> None:
    status, reply = door.post({**asdict(answer), field: value})

    assert (status, list((folder / "answers").iterdir())) == (400, [])
    assert field in reply["error"]


def test_its_own_page_may_post(door: Any, answer: Any) -> None:
    assert door.post(answer, Origin=door.url.rstrip("/"))[0] == 200


def test_no_other_origin_is_let_in_by_a_preflight(door: Any) -> None:
    status, headers, _ = door.request(
        "OPTIONS", "/answers", Origin="http://evil.example", Access_Control_Request_Method="POST"
    )

    assert status == 405
    assert not [name for name in headers if name.startswith("Access-Control")]


def test_raters_at_the_same_time(folder: Path, key: AnswerKey, door: Any, ballot: Any) -> None:
    sittings = [ballot.sitting(n, "", ["a", "b", "same"]) for n in range(10)]

    with ThreadPoolExecutor(10) as raters:
        done = list(raters.map(lambda own: [door.post(one)[0] for one in own], sittings))

    assert done == [[200] * 5] * 10
    assert set(read_answers(folder, key).answers) == {one for own in sittings for one in own}


class FailingStore(AnswerStore):
    """A disk that does not take the first answer."""

    code = errno.ENOSPC

    def add(self, answer: RaterAnswer) -> bool:
        if self.code:
            code, self.code = self.code, 0
            raise OSError(code, "it failed")
        return super().add(answer)


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [(errno.ENOSPC, 507, "disk is full"), (errno.EDQUOT, 507, "full"), (errno.EIO, 503, "later")],
)
def test_a_disk_that_fails_is_told_and_the_answer_can_be_sent_again(
    folder: Path, key: AnswerKey, open_door: Callable[..., Any], answer: Any, code: int,
    status: int, told: str,
) -> None:  # fmt: skip
    store = FailingStore(folder, key)
    store.code = code
    door = open_door(folder, store)

    refused, reply = door.post(answer)

    assert (refused, told in reply["error"]) == (status, True)
    assert door.post(answer) == (200, {"stored": 1})


def test_a_port_that_is_taken_is_told(folder: Path, door: Any, open_door: Any) -> None:
    with pytest.raises(InputError, match="is another server there"):
        open_door(folder, port=door.port)


def test_a_test_without_its_sounds_is_not_served(folder: Path, key: AnswerKey) -> None:
    (folder / "page" / "audio" / f"{next(iter(key.trials[0].sounds))}.wav").unlink()

    with pytest.raises(DataError, match="make the test again"):
        build_app(folder)


@pytest.fixture
def process(folder: Path) -> Any:
    command = [
        sys.executable,
        "-c",
        "from dlpo.cli import app; app()",
        "listen",
        "serve",
        str(folder),
        "--port",
        "0",
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield server
    server.kill()
    server.wait()
    assert server.stdout
    server.stdout.close()


def test_acknowledged_answers_survive_a_kill(
    folder: Path, key: AnswerKey, ballot: Any, process: Any, door_at: Callable[[int], Any]
) -> None:
    port = int(process.stdout.readline().split("/, ")[0].rpartition(":")[2])
    sitting = ballot.sitting(5, "Ann", ["a", "b", "same"])

    assert [door_at(port).post(answer)[0] for answer in sitting] == [200] * 5
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert set(read_answers(folder, key).answers) == set(sitting)


def test_it_stops_when_it_is_told_to(process: Any) -> None:
    assert "http://127.0.0.1:" in process.stdout.readline()
    assert "only this machine reaches it" in process.stdout.readline()

    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 0
