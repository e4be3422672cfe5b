"""Addresses, tokens and certificates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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


def self_signed(host: str) -> tuple[bytes, bytes]:
    """PEM of a certificate for `host` that signs itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(pem), private


@pytest.fixture
def tls_server(scripted_server: Any, tmp_path: Path) -> Iterator[str]:
    """Address of the scripted server behind a certificate for "speech.test", in ca.pem."""
    certificate, key = self_signed("speech.test")
    (tmp_path / "ca.pem").write_bytes(certificate)
    server = grpc.server(ThreadPoolExecutor(2))
    speech_pb2_grpc.add_SpeechServiceServicer_to_server(scripted_server, server)
    credentials = grpc.ssl_server_credentials([(key, certificate)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    scripted_server.outcomes = [lambda context: iter(())]
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_a_server_with_a_trusted_certificate_is_spoken_to(tls_server: str, tmp_path: Path) -> None:
    tls = Tls(ca=tmp_path / "ca.pem", server_name="speech.test")

    with SpeechClient(tls_server, tls=tls) as client:
        assert client.voices()


@pytest.mark.parametrize("trusted", [True, False])
def test_a_wrong_name_or_an_unknown_signer_is_not(
    tls_server: str, tmp_path: Path, trusted: bool
) -> None:
    (tmp_path / "other.pem").write_bytes(self_signed("speech.test")[0])
    name = "other.test" if trusted else "speech.test"
    tls = Tls(ca=tmp_path / ("ca.pem" if trusted else "other.pem"), server_name=name)

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
