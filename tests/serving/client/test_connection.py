"""Addresses, tokens and certificates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from dlpo.errors import InputError
from dlpo.v1 import speech_pb2_grpc
from dlpo_serving.client import CallError, RetryPolicy, SpeechClient, SpeechRequest, Tls
from dlpo_serving.operations.keys import new_key
from dlpo_serving.synthesizer import Synthesizer


@pytest.mark.parametrize("address", ["", "host", ":1", "host:", "host:http"])
def test_an_address_without_a_port_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="expected HOST:PORT"):
        SpeechClient(address)


def test_the_token_goes_with_every_call(scripted_server: Any) -> None:
    scripted_server.outcomes = [lambda context: iter(())]

    with SpeechClient(scripted_server.address, token="s3cret") as client:
        client.voices()

    assert scripted_server.calls[0]["authorization"] == "Bearer s3cret"


@pytest.mark.parametrize("token", ["naïve", "two\nlines"])
def test_a_token_that_no_header_can_hold_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(InputError) as caught:
        SpeechClient("host:1", token=token)

    assert token not in str(caught.value)


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(InputError, match="needs its key"):
        Tls(certificate=Path("client.pem"))


@pytest.fixture
def tls_server(scripted_server: Any, authority: Any) -> Iterator[str]:
    """Address of the scripted server behind a certificate for "localhost"."""
    issued = authority.issue("server")
    server = grpc.server(ThreadPoolExecutor(2))
    speech_pb2_grpc.add_SpeechServiceServicer_to_server(scripted_server, server)
    pair = issued.key.read_bytes(), issued.certificate.read_bytes()
    credentials = grpc.ssl_server_credentials([pair])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    scripted_server.outcomes = [lambda context: iter(())]
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_a_server_with_a_trusted_certificate_is_spoken_to(tls_server: str, authority: Any) -> None:
    tls = Tls(ca=authority.path, server_name="localhost")

    with SpeechClient(tls_server, tls=tls) as client:
        assert client.voices()


@pytest.mark.parametrize("trusted", [True, False])
def test_a_wrong_name_or_an_unknown_signer_is_not(
    tls_server: str, authority: Any, stranger: Any, trusted: bool
) -> None:
    wrong = (authority.path, "other.test") if trusted else (stranger.path, "localhost")
    tls = Tls(ca=wrong[0], server_name=wrong[1])

    client = SpeechClient(tls_server, tls=tls, retries=RetryPolicy(attempts=1))
    with client, pytest.raises(CallError, match="with the same TLS"):
        client.voices()


def test_only_a_known_token_speaks_within_its_share(
    start_server: Callable[..., Any],
    synthesizer: Synthesizer,
    hear: Callable[..., None],
    heard: Any,
    tmp_path: Path,
) -> None:
    token = new_key(tmp_path / "keys.toml", "alice")
    with (tmp_path / "keys.toml").open("a") as file:
        file.write("[quota.alice]\ncharacters_per_minute = 8\n")
    server = start_server(synthesizer, keys_file=tmp_path / "keys.toml")
    once = {"retries": RetryPolicy(attempts=1)}
    request = SpeechRequest("Go now.")

    for wrong in ({}, {"token": "forged"}):
        with pytest.raises(CallError, match="token") as caught:
            hear(heard, server.address, request, once | wrong)
        assert caught.value.code == grpc.StatusCode.UNAUTHENTICATED

    hear(heard, server.address, request, once | {"token": token})
    assert heard.totals.samples

    with pytest.raises(CallError) as caught:
        hear(heard, server.address, request, once | {"token": token})
    assert caught.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.retry_after_s > 1
