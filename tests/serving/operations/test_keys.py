"""Who is let in and with what share, and how keys and files come and go while the server runs."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from dlpo.errors import ConfigError
from dlpo_serving.client import SpeechClient
from dlpo_serving.errors import QuotaError, UnauthenticatedError
from dlpo_serving.operations.files import FileWatch
from dlpo_serving.operations.keys import KeyRing, Quota, new_key, read_keys
from dlpo_serving.operations.quotas import Quotas
from dlpo_serving.request import SpeechRequest
from tests.callers import WAIT_S, command
from tests.serving.conftest import Clock, StartServer

if TYPE_CHECKING:
    from conftest import Authority


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

    with pytest.raises(UnauthenticatedError, match="unknown token") as caught:
        ring.authorize(forged)

    assert not forged or forged not in str(caught.value)


def test_new_key_works_at_once_and_is_stored_hashed(tmp_path: Path, clock: Clock) -> None:
    path = keys_file(tmp_path, "# ours\n")
    ring = KeyRing(path, clock)
    with pytest.raises(UnauthenticatedError):
        ring.authorize("")  # without keys nobody is let in

    tokens = {caller: new_key(path, caller) for caller in ("alice", "bob")}
    clock.now_s = 2

    assert {ring.authorize(token): token for token in tokens.values()} == tokens
    assert not any(token in path.read_text() for token in tokens.values())
    assert path.read_text().startswith("# ours\n")
    others = {new_key(tmp_path / "others.toml", "alice") for _ in range(20)}
    assert len(others) == len(read_keys(tmp_path / "others.toml").key) == 20
    assert min(map(len, others)) >= 43  # 256 bits in base 64
    assert (tmp_path / "others.toml").stat().st_mode & 0o777 == 0o600


def test_running_server_follows_the_key_file(tmp_path: Path, clock: Clock) -> None:
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
    content: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: Clock
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
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: Clock
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
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


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[keys]]\n", "unknown key 'keys'; did you mean 'key'"),
        (block("alice", "A") + "[quota.alice]\nmax_stream = 2", "did you mean 'max_streams'"),
        (block("alice", "A") + "[quota.alcie]\nmax_streams = 2", "quota.alcie: no such caller"),
        (block("alice", "A") + "[quota.alice]\nmax_streams = 0", "expected 1 or more"),
        (block("alice", "A") + "[quota.alice]\nmax_streams = 'two'", "max_streams is 'two'"),
        (block("alice", "A") + block("bob", "A"), "duplicate key for alice"),
        (block("al ice", "A"), "expected"),
        ('[[key]]\ncaller = "alice"\nsha256 = "secret"', "6 characters long; expected 64"),
        ('[[key]]\ncaller = "alice"', "lacks the key 'sha256'"),
    ],
)
def test_a_keys_file_with_a_mistake_is_refused_by_name(
    text: str, complaint: str, tmp_path: Path
) -> None:
    path = keys_file(tmp_path, text)

    for use in (lambda: KeyRing(path, time.monotonic), lambda: new_key(path, "alice")):
        with pytest.raises(ConfigError, match=complaint) as caught:
            use()
        assert str(path) in str(caught.value)
        assert "secret" not in str(caught.value)  # a token where its hash belongs
    assert path.read_text() == text


def test_what_a_caller_has_used_can_be_read(start_server: StartServer, tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    tokens = {caller: new_key(path, caller) for caller in ("alice", "bob", "carol")}
    server = start_server(keys_file=path, http_port=0, max_first_audio_s=1e6)
    text, dictionary = "Noise becomes speech.", {"noise": "N OY1 Z"}
    heard_s = {}
    for caller, times in (("alice", 1), ("bob", 2)):
        with SpeechClient(server.address, token=tokens[caller]) as client:
            for _ in range(times):
                request = SpeechRequest(text, dictionary=dictionary)
                spoken = client.speak(request, timeout_s=WAIT_S)
        heard_s[caller] = times * spoken.message.totals.audio_s
    charged = len(text) + len("noise") + len("N OY1 Z")
    assert command("keys", "usage", server.http_url).stdout.splitlines() == [
        f"alice: {charged} characters, {heard_s['alice']:.1f} s of audio",
        f"bob: {2 * charged} characters, {heard_s['bob']:.1f} s of audio",
    ]
    assert command("keys", "usage", "http://127.0.0.1:1").exit_code == 1
    assert command("keys", "usage", "keys.toml").exit_code == 1


def test_usage_is_read_from_a_server_of_a_private_authority(
    start_server: StartServer, authority: Authority
) -> None:
    issued = authority.issue("localhost")
    server = start_server(tls_certificate=issued.certificate, tls_key=issued.key, http_port=0)
    url = str(server.http_url).replace("127.0.0.1", "localhost")
    refused = command("keys", "usage", url)
    assert refused.exit_code == 1
    assert "name its authority with --ca" in refused.stderr
    assert "no caller" in command("keys", "usage", url, "--ca", str(authority.path)).stdout
    refused = command("keys", "usage", url, "--ca", __file__)
    assert refused.exit_code == 1
    assert "expected certificates in PEM" in refused.stderr


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_keys_file_that_others_may_write_is_refused(mode: int, tmp_path: Path) -> None:
    path = keys_file(tmp_path, block("alice", "A"))
    path.chmod(mode)

    with pytest.raises(ConfigError, match=f"mode {mode:04o}.*chmod 600"):
        KeyRing(path, time.monotonic)


def quotas(clock: Clock, **shares: Quota) -> Quotas:
    return Quotas(lambda caller: shares.get(caller, Quota()), clock)


def test_retry_after_the_stated_wait_is_admitted(clock: Clock) -> None:
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


def test_streams_beyond_the_share_are_refused_until_one_ends() -> None:
    admit = quotas(time.monotonic, alice=Quota(max_streams=2))

    with admit.hold("alice", 0):
        for _ in range(2):
            with suppress(ZeroDivisionError), admit.hold("alice", 0):
                with pytest.raises(QuotaError, match="all 2 streams") as caught:
                    admit.hold("alice", 0).__enter__()
                assert caught.value.caller == "alice"
                assert caught.value.retry_after_s > 0
                raise ZeroDivisionError


def test_a_caller_without_allowance_is_refused_before_its_text(clock: Clock) -> None:
    admit = quotas(clock, alice=Quota(characters_per_minute=600), bob=Quota(max_streams=1))
    for _ in range(3):
        admit.check("alice")  # charges nothing
    admit.take_characters("alice", 600)
    with pytest.raises(QuotaError, match="600 characters"):
        admit.check("alice")
    clock.now_s += 0.1
    admit.check("alice")
    with admit.hold("bob", 0), pytest.raises(QuotaError, match="all 1 streams"):
        admit.check("bob")
    admit.check("bob")


@pytest.mark.parametrize(
    ("first", "then", "wait_s"),
    [(600, 50, 5), (600, 300, 30), (1800, 1, 120.1)],
    ids=["a word", "half a share", "after a text of three minutes' worth"],
)
def test_characters_refill_at_the_quotas_rate(
    first: int, then: int, wait_s: float, clock: Clock
) -> None:
    admit = quotas(clock, alice=Quota(characters_per_minute=600))  # 10 a second
    admit.take_characters("alice", first)

    for clock.now_s in (0.0, wait_s / 2, wait_s - 0.01):
        with pytest.raises(QuotaError, match="600 characters a minute") as caught:
            admit.take_characters("alice", then)
        assert caught.value.retry_after_s == pytest.approx(wait_s - clock.now_s)
    clock.now_s = wait_s + 1e-9
    admit.take_characters("alice", then)


def test_no_more_than_a_minutes_worth_is_saved_up(clock: Clock) -> None:
    admit = quotas(clock, alice=Quota(characters_per_minute=600))
    admit.take_characters("alice", 1)
    clock.now_s = 3600
    admit.take_characters("alice", 600)
    with pytest.raises(QuotaError):
        admit.take_characters("alice", 600)


def test_audio_overdraft_blocks_the_next_call(clock: Clock) -> None:
    admit = quotas(clock, alice=Quota(audio_s_per_minute=60))
    admit.hold("alice", 0).__enter__()
    admit.take_audio("alice", 90)

    with pytest.raises(QuotaError, match="seconds of audio") as caught:
        admit.hold("alice", 0).__enter__()
    assert caught.value.retry_after_s == pytest.approx(30)
    clock.now_s = 30
    admit.hold("alice", 0).__enter__()


def write(folder: Path) -> None:
    (folder / "watched").write_text("22")


def replace(folder: Path) -> None:
    (folder / "other").write_text("2")
    os.utime(folder / "other", ns=(0, 0))
    (folder / "other").replace(folder / "watched")


def point_elsewhere(folder: Path) -> None:
    """As Kubernetes renews a secret."""
    (folder / "new").mkdir()
    (folder / "new" / "file").write_text("2")
    (folder / "..next").symlink_to("new")
    (folder / "..next").replace(folder / "..data")


@pytest.mark.parametrize("change", [write, replace, point_elsewhere])
def test_a_file_that_changes_has_changed_once(
    change: Callable[[Path], None], tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "watched"
    if change is point_elsewhere:
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / "file").write_text("1")
        (tmp_path / "..data").symlink_to("old")
        path.symlink_to("..data/file")
    else:
        path.write_text("1")
        os.utime(path, ns=(0, 0))
    watch = FileWatch([path], clock)

    change(tmp_path)

    assert not watch.changed()  # it is not looked at yet
    clock.now_s = 2
    assert watch.changed()
    clock.now_s = 4
    assert watch.changed()  # until it is accepted
    watch.accept()
    clock.now_s = 6
    assert not watch.changed()


def test_a_caller_whose_key_is_gone_has_no_allowance(tmp_path: Path, clock: Clock) -> None:
    path = keys_file(tmp_path, block("alice", "A") + block("bob", "B"))
    admit = Quotas(KeyRing(path, clock).quota, clock)
    admit.take_characters("alice", 5)
    path.write_text(block("bob", "B"))
    clock.now_s = 2
    with pytest.raises(UnauthenticatedError, match="deleted"):
        admit.take_characters("alice", 5)
    with pytest.raises(UnauthenticatedError, match="deleted"):
        admit.hold("alice", 0).__enter__()
    admit.take_audio("alice", 5.0)  # which was admitted before
    admit.take_characters("bob", 5)
