"""Content credentials: signed by a certificate made here, checked by C2PA's own reader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from dlpo.mark.stream import SOURCE_TYPE
from tests.callers import command
from tests.serving.conftest import Authority

c2pa = pytest.importorskip("c2pa")


@pytest.mark.parametrize("ending", [".wav", ".mp3", ".flac"])
def test_signed_files_say_what_made_them(ending: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    signer = authority.issue("signer", uses=[ExtendedKeyUsageOID.EMAIL_PROTECTION])
    chain, path = tmp_path / "chain.pem", tmp_path / f"a{ending}"
    chain.write_bytes(signer.certificate.read_bytes() + authority.path.read_bytes())
    command("say", "Hello.", "-o", path)

    result = command("sign", path, "--certificate", chain, "--key", signer.key)

    assert result.exit_code == 0, result.output
    with c2pa.Reader(str(path)) as reader:
        told = json.loads(reader.json())
    assert SOURCE_TYPE in json.dumps(told["manifests"][told["active_manifest"]])
    codes = {one["code"] for one in told.get("validation_status", [])}
    assert codes <= {"signingCredential.untrusted"}  # the authority is ours
