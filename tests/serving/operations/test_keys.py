"""Who is let in and with what share, and how keys and files come and go while the server runs."""

from __future__ import annotations

import hashlib
import logging
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from dlpo_serving.errors import UnauthenticatedError
from dlpo_serving.operations.keys import KeyRing, Quota, new_key


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def keys_file(folder: Path, text: str) -> Path:
    path = folder / "keys.toml"
    path.write_text(text)
    return path


def block(caller: str, token: str) -> str:
    return f'[[key]]\ncaller = "{caller}"\nsha256 = "{sha256(token)}"\n'


@pytest.mark.parametrize(
    "forged", ["", "tok-a", "tok-AA", "tok-A ", sha256("tok-A"), "tök-A", "\udcff", "A" * 100_000]
)
def test_a_forged_token_is_refused_and_not_quoted(forged: str, tmp_path: Path) -> None:
    ring = KeyRing(keys_file(tmp_path, block("alice", "tok-A")), time.monotonic)

    with pytest.raises(UnauthenticatedError, match="not known") as caught:
        ring.authorize(forged)

    assert not forged or forged not in str(caught.value)


def test_a_new_key_works_in_a_running_server_and_its_file_does_not_hold_it(
    tmp_path: Path, clock: Any
) -> None:
    path = keys_file(tmp_path, "# ours\n")
    ring = KeyRing(path, clock)
    with pytest.raises(UnauthenticatedError):
        ring.authorize("")  # without keys nobody is let in

    tokens = {caller: new_key(path, caller) for caller in ("alice", "bob")}
    clock.now_s = 2

    assert {ring.authorize(token): token for token in tokens.values()} == tokens
    assert not any(token in path.read_text() for token in tokens.values())
    assert path.read_text().startswith("# ours\n")


def test_keys_and_quotas_that_change_in_the_file_change_in_the_server(
    tmp_path: Path, clock: Any
) -> None:
    path = keys_file(tmp_path, block("alice", "old") + block("alice", "new"))
    ring = KeyRing(path, clock)
    assert ring.authorize("old") == ring.authorize("new") == "alice"
    assert ring.quota("alice") == Quota()

    keys_file(tmp_path, block("alice", "new") + "[quota.alice]\nmax_streams = 2\n")
    clock.now_s = 2

    assert ring.authorize("new") == "alice"
    with pytest.raises(UnauthenticatedError):
        ring.authorize("old")
    assert [ring.quota(name) for name in ("alice", "nobody")] == [Quota(max_streams=2), None]


@pytest.mark.parametrize("content", ["[[key", "key = 3", '[[key]]\ncaller = "x"', "\x00", None])
def test_a_broken_file_keeps_the_old_keys_and_says_so_once(
    content: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: Any
) -> None:
    path = keys_file(tmp_path, block("alice", "A"))
    ring = KeyRing(path, clock)

    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    for clock.now_s in (2, 4, 6):
        assert ring.authorize("A") == "alice"

    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "stays in use" in errors[0].getMessage()


def test_a_deleted_key_ends_once_the_files_mode_is_corrected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: Any
) -> None:
    path = keys_file(tmp_path, block("alice", "A") + block("bob", "B"))
    ring = KeyRing(path, clock)

    path.write_text(block("bob", "B"))
    path.chmod(0o666)
    for clock.now_s in (2, 4):
        assert ring.authorize("A") == "alice"
    path.chmod(0o600)  # as the error says
    clock.now_s = 6

    with pytest.raises(UnauthenticatedError):
        ring.authorize("A")
    assert ring.authorize("B") == "bob"
    assert [one.getMessage().count("chmod 600") for one in caplog.records] == [1]


def test_a_read_that_failed_is_tried_again_without_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    path = keys_file(tmp_path, block("alice", "A"))
    ring = KeyRing(path, clock)
    path.write_text(block("bob", "B"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", Mock(side_effect=OSError(24, "Too many open files")))
        clock.now_s = 2
        assert ring.authorize("A") == "alice"

    clock.now_s = 4
    with pytest.raises(UnauthenticatedError):
        ring.authorize("A")


def test_a_mode_that_becomes_too_permissive_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: Any
) -> None:
    path = keys_file(tmp_path, block("alice", "A"))
    ring = KeyRing(path, clock)
    path.chmod(0o666)
    for clock.now_s in (2, 4, 6):
        assert ring.authorize("A") == "alice"
    (error,) = caplog.records
    assert "has mode 0666" in error.getMessage()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[keys]]\n", "unknown key 'keys'; did you mean 'key'"),
        (block("alice", "A") + "[quota.alice]\nmax_stream = 2", "did you mean 'max_streams'"),
        (block("alice", "A") + "[quota.alcie]\nmax_streams = 2", "quota.alcie is of nobody"),
        (block("alice", "A") + "[quota.alice]\nmax_streams = 0", "expected more than 0"),
        (block("alice", "A") + "[quota.alice]\nmax_streams = 'two'", "max_streams is 'two'"),
        (block("alice", "A") + block("bob", "A"), "is there twice"),
        (block("al ice", "A"), "expected"),
        ('[[key]]\ncaller = "alice"\nsha256 = "secret"', "6 characters long; expected 64"),
        ('[[key]]\ncaller = "alice"', "lacks the key 'sha256'"),
    ],
)
def test_a_keys_file_with_a_mistake_is_refused_by_name(
    text: str, complaint: str, tmp_path: Path
) -> None:
    path = keys_file(tmp_path, text)

    with pytest.raises(UnauthenticatedError, match="deleted"):
        admit.take_characters("alice", 5)
    with pytest.raises(UnauthenticatedError, match="deleted"):
        admit.hold("alice", 0).__enter__()
    admit.take_audio("alice", 5.0)  # which was admitted before
    admit.take_characters("bob", 5)
