"""Content credentials: signed by a certificate made here, checked by C2PA's own reader."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dlpo.mark.stream import SOURCE_TYPE
from tests.callers import command

c2pa = pytest.importorskip("c2pa")


def make_chain(folder: Path) -> None:
    """`chain.pem` of a signer and its authority, and `key.pem`."""
    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, name),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "dlpo"),
            ]
        )
        for name in ("authority", "signer")
    ]
    chain = b""
    for place, is_authority in ((1, False), (0, True)):
        use = x509.KeyUsage(
            not is_authority, False, False, False, False, is_authority, is_authority, False, False
        )
        made = (
            x509.CertificateBuilder()
            .subject_name(names[place])
            .issuer_name(names[0])
            .public_key(keys[place].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(use, critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), False
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(keys[place].public_key()), False
            )
        )
        if not is_authority:
            usages = [ExtendedKeyUsageOID.EMAIL_PROTECTION]
            made = made.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        signed = made.sign(keys[0], hashes.SHA256())
        chain += signed.public_bytes(serialization.Encoding.PEM)
    (folder / "chain.pem").write_bytes(chain)
    pem = serialization.Encoding.PEM
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(keys[1].private_bytes(pem, pkcs8, plain))


@pytest.mark.parametrize("ending", [".wav", ".mp3", ".flac"])
def test_signed_files_say_what_made_them(ending: str, tmp_path: Path) -> None:
    make_chain(tmp_path)
    path = tmp_path / f"a{ending}"
    command("say", "Hello.", "-o", path)

    result = command(
        "sign", path, "--certificate", tmp_path / "chain.pem", "--key", tmp_path / "key.pem"
    )

    assert result.exit_code == 0, result.output
    with c2pa.Reader(str(path)) as reader:
        told = json.loads(reader.json())
    assert SOURCE_TYPE in json.dumps(told["manifests"][told["active_manifest"]])
    codes = {one["code"] for one in told.get("validation_status", [])}
    assert codes <= {"signingCredential.untrusted"}  # the authority is ours
