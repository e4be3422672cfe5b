"""Who is let in, and how keys come and go while the server runs."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest

from dlpo.errors import ConfigError
from dlpo_serving.errors import UnauthenticatedError
from dlpo_serving.operations.keys import (
    ApiKey,
    KeyRing,
    Quota,
    bearer_token,
    new_key,
    read_keys,
)


class Clock:
    """Seconds that pass when a test says so."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def keys_file(folder: Path, text: str) -> Path:
    path = folder / "keys.toml"
    path.write_text(text)
    return path


def block(caller: str, token: str) -> str:
    return f'[[key]]\ncaller = "{caller}"\nsha256 = "{sha256(token)}"\n'


def test_a_token_tells_whose_it_is(tmp_path: Path) -> None:
    ring = KeyRing(keys_file(tmp_path, block("alice", "A") + block("bob", "B")), Clock())

    assert ring.authorize("A") == "alice"
    assert ring.authorize("B") == "bob"


@pytest.mark.parametrize(
    "forged", ["", "tok-a", "tok-AA", "tok-A ", sha256("tok-A"), "tök-A", "\udcff", "A" * 100_000]
)
def test_a_forged_token_is_refused_and_not_quoted(forged: str, tmp_path: Path) -> None:
    ring = KeyRing(keys_file(tmp_path, block("alice", "tok-A")), Clock())

    with pytest.raises(UnauthenticatedError, match="not known") as caught:
        ring.authorize(forged)

    assert not forged or forged not in str(caught.value)


def test_a_file_without_keys_lets_nobody_in(tmp_path: Path) -> None:
    ring = KeyRing(keys_file(tmp_path, ""), Clock())

    with pytest.raises(UnauthenticatedError):
        ring.authorize("")


@pytest.mark.parametrize(
    ("headers", "complaint"),
    [
        ([], "no token came"),
        (["Bearer A", "Bearer B"], "2 authorization headers"),
        (["A"], "no Bearer token"),
        (["Basic A"], "no Bearer token"),
        (["Bearer"], "no Bearer token"),
        (["Bearer  "], "no Bearer token"),
        ([""], "no Bearer token"),
    ],
)
def test_anything_but_one_bearer_token_is_refused(headers: list[str], complaint: str) -> None:
    with pytest.raises(UnauthenticatedError, match=complaint):
        bearer_token(headers)


def test_a_new_key_works_in_a_running_server_and_its_file_does_not_hold_it(tmp_path: Path) -> None:
    path, clock = keys_file(tmp_path, "# ours\n" + block("alice", "A")), Clock()
    ring = KeyRing(path, clock, poll_s=2)

    token = new_key(path, "bob")
    clock.now_s = 2

    assert ring.authorize(token) == "bob"
    assert ring.authorize("A") == "alice"
    assert token not in path.read_text()
    assert path.read_text().startswith("# ours\n")


def test_a_caller_may_have_two_keys_and_lose_the_old_one(tmp_path: Path) -> None:
    path, clock = keys_file(tmp_path, block("alice", "old") + block("alice", "new")), Clock()
    ring = KeyRing(path, clock, poll_s=2)
    assert ring.authorize("old") == ring.authorize("new") == "alice"

    keys_file(tmp_path, block("alice", "new"))
    clock.now_s = 2

    assert ring.authorize("new") == "alice"
    with pytest.raises(UnauthenticatedError):
        ring.authorize("old")


@pytest.mark.parametrize("content", ["[[key", "key = 3", '[[key]]\ncaller = "x"', "\x00", None])
def test_a_broken_file_keeps_the_old_keys_and_says_so_once(
    content: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock = keys_file(tmp_path, block("alice", "A")), Clock()
    ring = KeyRing(path, clock, poll_s=2)

    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    for clock.now_s in (2, 4, 6):
        assert ring.authorize("A") == "alice"

    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "stay in use" in errors[0].getMessage()


def test_quotas_are_read_again_with_the_keys(tmp_path: Path) -> None:
    path, clock = keys_file(tmp_path, block("alice", "A")), Clock()
    ring = KeyRing(path, clock, poll_s=2)
    assert ring.quota("alice") == Quota()

    path.write_text(block("alice", "A") + "[quota.alice]\nmax_streams = 2\n")
    clock.now_s = 2

    assert ring.quota("alice") == Quota(max_streams=2)
    assert ring.quota("nobody") == Quota()


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
        ("caller = ", "can't be read"),
    ],
)
def test_a_keys_file_with_a_mistake_is_refused_by_name(
    text: str, complaint: str, tmp_path: Path
) -> None:
    path = keys_file(tmp_path, text)

    with pytest.raises(ConfigError, match=complaint) as caught:
        KeyRing(path, Clock())

    assert str(path) in str(caught.value)


def test_a_token_put_where_its_hash_belongs_is_not_quoted_in_the_error() -> None:
    with pytest.raises(ConfigError) as caught:
        ApiKey("alice", "dlpo_very-secret")

    assert "very-secret" not in str(caught.value)


def test_new_keys_differ_and_their_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"

    tokens = {new_key(path, "alice") for _ in range(20)}

    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 43  # 256 bits in base 64
    assert len(read_keys(path).key) == 20
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_is_not_added_to_a_file_that_is_broken(tmp_path: Path) -> None:
    path = keys_file(tmp_path, "[[key")

    with pytest.raises(ConfigError, match="can't be read"):
        new_key(path, "alice")

    assert path.read_text() == "[[key"


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_keys_file_that_others_may_write_is_refused(mode: int, tmp_path: Path) -> None:
    path = keys_file(tmp_path, block("alice", "A"))
    path.chmod(mode)

    with pytest.raises(ConfigError, match=f"mode {mode:04o}.*chmod 600"):
        KeyRing(path, Clock())
