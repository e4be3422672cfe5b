"""Content credentials: a file signed by C2PA, which says that a trained model made it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dlpo.errors import InputError, needs
from dlpo.mark.stream import SOURCE_TYPE
from dlpo.version import __version__

MEDIA_TYPES = {".wav": "audio/wav", ".mp3": "audio/mpeg", ".flac": "audio/flac"}
ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")


def sign_file(
    path: Path, certificate: Path, key: Path, algorithm: str = "es256", timestamps: str = ""
) -> None:
    """Sign an audio file in place.

    Args:
        path: of a WAV, MP3 or FLAC file.
        certificate: PEM of the signer's certificate and those up to its authority.
        key: PEM of its private key.
        algorithm: one of `ALGORITHMS`, which fits the key.
        timestamps: URL of a timestamp authority; none if empty.

    Raises:
        InputError: the file, the certificate or the key can't be used.
        MissingExtraError: c2pa-python is not installed.
    """
    with needs("c2pa"):
        import c2pa
    kind = MEDIA_TYPES.get(path.suffix.lower())
    if kind is None or algorithm not in ALGORITHMS:
        raise InputError(
            f"{path}, {algorithm}: expected a file {', '.join(MEDIA_TYPES)} and one of"
            f" {', '.join(ALGORITHMS)}"
        )
    signed = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    try:
        info = c2pa.C2paSignerInfo(
            algorithm.encode(),
            certificate.read_bytes(),
            key.read_bytes(),
            timestamps.encode() or None,
        )
        with (
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(json.dumps(_manifest(path.name))) as builder,
            path.open("rb") as source,
            signed.open("w+b") as target,
        ):
            builder.sign(signer, kind, source, target)
        signed.replace(path)
    except (OSError, ValueError, c2pa.C2paError) as error:
        raise InputError(f"{path} can't be signed: {error}; check certificate and key") from error
    finally:
        signed.unlink(missing_ok=True)


def _manifest(title: str) -> dict[str, Any]:
    created = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}
    return {
        "title": title,
        "claim_generator_info": [{"name": "dlpo", "version": __version__}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }
