"""Who is let in and with what share, and how keys and files come and go while the server runs."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest

from dlpo.errors import ConfigError
from dlpo_serving.errors import QuotaError, UnauthenticatedError
from dlpo_serving.operations.files import FileWatch
from dlpo_serving.operations.keys import (
    ApiKey,
    KeyRing,
    Quota,
    Quotas,
    bearer_token,
    new_key,
    read_keys,
)


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def keys_file(folder: Path, text: str) -> Path:
    path = folder / "keys.toml"
    path.write_text(text)
    return path


def block(caller: str, token: str) -> str:
    return f'[[key]]\ncaller = "{caller}"\nsha256 = "{sha256(token)}"\n'


def test_a_token_tells_whose_it_is(tmp_path: Path) -> None:
    ring = KeyRing(keys_file(tmp_path, block("alice", "A") + block("bob", "B")), time.monotonic)

    assert ring.authorize("A") == "alice"
    assert ring.authorize("B") == "bob"


@pytest.mark.parametrize(
    "forged", ["", "tok-a", "tok-AA", "tok-A ", sha256("tok-A"), "tök-A", "\udcff", "A" * 100_000]
)
def test_a_forged_token_is_refused_and_not_quoted(forged: str, tmp_path: Path) -> None:
    ring = KeyRing(keys_file(tmp_path, block("alice", "tok-A")), time.monotonic)

    with pytest.raises(UnauthenticatedError, match="not known") as caught:
        ring.authorize(forged)

    assert not forged or forged not in str(caught.value)


def test_a_file_without_keys_lets_nobody_in(tmp_path: Path) -> None:
    ring = KeyRing(keys_file(tmp_path, ""), time.monotonic)

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


def test_a_new_key_works_in_a_running_server_and_its_file_does_not_hold_it(
    tmp_path: Path, clock: Any
) -> None:
    path = keys_file(tmp_path, "# ours\n" + block("alice", "A"))
    ring = KeyRing(path, clock, poll_s=2)

    token = new_key(path, "bob")
    clock.now_s = 2

    assert ring.authorize(token) == "bob"
    assert ring.authorize("A") == "alice"
    assert token not in path.read_text()
    assert path.read_text().startswith("# ours\n")


def test_a_caller_may_have_two_keys_and_lose_the_old_one(tmp_path: Path, clock: Any) -> None:
    path = keys_file(tmp_path, block("alice", "old") + block("alice", "new"))
    ring = KeyRing(path, clock, poll_s=2)
    assert ring.authorize("old") == ring.authorize("new") == "alice"

    keys_file(tmp_path, block("alice", "new"))
    clock.now_s = 2

    assert ring.authorize("new") == "alice"
    with pytest.raises(UnauthenticatedError):
        ring.authorize("old")


@pytest.mark.parametrize("content", ["[[key", "key = 3", '[[key]]\ncaller = "x"', "\x00", None])
def test_a_broken_file_keeps_the_old_keys_and_says_so_once(
    content: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: Any
) -> None:
    path = keys_file(tmp_path, block("alice", "A"))
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


def test_quotas_are_read_again_with_the_keys(tmp_path: Path, clock: Any) -> None:
    path = keys_file(tmp_path, block("alice", "A"))
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
        KeyRing(path, time.monotonic)

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
        KeyRing(path, time.monotonic)


def quotas(clock: Any, **shares: Quota) -> Quotas:
    return Quotas(lambda caller: shares.get(caller, Quota()), clock)


def test_streams_beyond_the_share_are_refused_until_one_ends() -> None:
    admit = quotas(time.monotonic, alice=Quota(max_streams=2))

    with admit.stream("alice"):
        with admit.stream("alice"):
            with pytest.raises(QuotaError, match="all 2 streams") as caught:
                admit.stream("alice").__enter__()
            assert caught.value.caller == "alice"
            assert caught.value.retry_after_s > 0
        with admit.stream("alice"):
            pass


def test_a_stream_that_fails_gives_its_place_back() -> None:
    admit = quotas(time.monotonic, alice=Quota(max_streams=1))

    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admit.stream("alice"):
            raise ZeroDivisionError


def test_characters_come_back_at_the_rate_of_the_share(clock: Any) -> None:
    admit = quotas(clock, alice=Quota(characters_per_minute=600))  # 10 a second
    admit.take_characters("alice", 600)

    with pytest.raises(QuotaError, match="600 characters a minute") as caught:
        admit.take_characters("alice", 50)
    assert caught.value.retry_after_s == pytest.approx(5)

    clock.now_s = 4.9
    with pytest.raises(QuotaError):
        admit.take_characters("alice", 50)
    clock.now_s = 5.0
    admit.take_characters("alice", 50)


def test_a_refused_text_costs_nothing(clock: Any) -> None:
    admit = quotas(clock, alice=Quota(characters_per_minute=60))
    admit.take_characters("alice", 60)

    for _ in range(10):
        with pytest.raises(QuotaError):
            admit.take_characters("alice", 30)

    clock.now_s = 30
    admit.take_characters("alice", 30)


def test_a_text_longer_than_a_minutes_worth_is_taken_when_the_share_is_full_and_paid_off(
    clock: Any,
) -> None:
    admit = quotas(clock, alice=Quota(characters_per_minute=60))

    admit.take_characters("alice", 180)

    with pytest.raises(QuotaError) as caught:
        admit.take_characters("alice", 1)
    assert caught.value.retry_after_s == pytest.approx(121)


def test_audio_may_overdraw_and_stops_the_next_call_until_it_is_paid_off(clock: Any) -> None:
    admit = quotas(clock, alice=Quota(audio_s_per_minute=60))
    admit.check_audio("alice")
    admit.take_audio("alice", 90)

    with pytest.raises(QuotaError, match="seconds of audio") as caught:
        admit.check_audio("alice")
    assert caught.value.retry_after_s == pytest.approx(30)

    clock.now_s = 30
    admit.check_audio("alice")


def test_waiting_as_long_as_told_is_always_enough(clock: Any) -> None:
    admit = quotas(clock, alice=Quota(characters_per_minute=77))
    taken = 0

    for count in (13, 50, 7, 99, 1, 30) * 5:
        try:
            admit.take_characters("alice", count)
        except QuotaError as error:
            clock.now_s += error.retry_after_s + 1e-9
            admit.take_characters("alice", count)
        taken += count

    assert taken <= 77 * (clock.now_s / 60 + 1) + 99  # a minute's worth at first, one overdraft


def test_a_file_that_is_written_has_changed_once(tmp_path: Path, clock: Any) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    watch = FileWatch([path], clock, poll_s=1)

    path.write_text("22")

    assert not watch.changed()  # it is not looked at yet
    clock.now_s = 1
    assert watch.changed()
    clock.now_s = 2
    assert not watch.changed()


def test_a_file_of_the_same_size_and_time_put_in_its_place_has_changed(
    tmp_path: Path, clock: Any
) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("1")
    other.write_text("2")
    os.utime(path, ns=(0, 0))
    os.utime(other, ns=(0, 0))
    watch = FileWatch([path], clock, poll_s=1)

    other.replace(path)

    clock.now_s = 1
    assert watch.changed()


def test_a_link_that_points_elsewhere_has_changed_as_kubernetes_does_it(
    tmp_path: Path, clock: Any
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tls.crt").write_text(name)
    (tmp_path / "..data").symlink_to("old")
    (tmp_path / "tls.crt").symlink_to("..data/tls.crt")
    watch = FileWatch([tmp_path / "tls.crt"], clock, poll_s=1)

    (tmp_path / "..next").symlink_to("new")
    (tmp_path / "..next").replace(tmp_path / "..data")

    clock.now_s = 1
    assert watch.changed()
