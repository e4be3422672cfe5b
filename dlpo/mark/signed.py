"""Content credentials: a file signed by C2PA, which says that a trained model made it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from dlpo.errors import InputError, needs
from dlpo.mark.stream import SOURCE_TYPE
from dlpo.version import __version__


def sign_file(
    path: Path, certificate: Path, key: Path, algorithm: str = "es256", timestamps: str = ""
) -> None:
    """Sign an audio file in place.

    Args:
        path: of a WAV, MP3 or FLAC file.
        certificate: PEM of the signer's certificate and those up to its authority.
        key: PEM of its private key.
        algorithm: that fits the key, such as ed25519.
        timestamps: URL of a timestamp authority; none if empty.

    Raises:
        InputError: the file, the certificate, the key or the algorithm can't be used.
        MissingExtraError: c2pa-python is not installed.
    """
    with needs("c2pa"):
        import c2pa
    created = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}
    manifest = {
        "title": path.name,
        "claim_generator_info": [{"name": "dlpo", "version": __version__}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }
    signed = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    try:
        identity = certificate.read_bytes(), key.read_bytes()
        info = c2pa.C2paSignerInfo(algorithm.encode(), *identity, timestamps.encode() or None)
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(manifest)) as builder:
            builder.sign_file(path, signed, signer)
        signed.replace(path)
    except (OSError, ValueError, c2pa.C2paError) as error:
        what = "expected a WAV, MP3 or FLAC file, a certificate, its key and their algorithm"
        raise InputError(f"{path} can't be signed: {error}; {what}") from error
    finally:
        signed.unlink(missing_ok=True)
