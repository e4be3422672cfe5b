"""`voice.json` as bytes: its format and its seal.

The rules by which old and new versions of dlpo read each other's bundles are in docs/bundle.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from dlpo.errors import BundleError

FORMAT = 2  # raised when an older dlpo could misread a newer bundle
ENCODER_NOISE = "encoder_noise"  # the encoder reads noise, which the pitch is drawn from
VOICES = "voices"  # encoder and frames read the share of each voice
SOURCE_TAPER = "source_taper"  # the source's harmonics fade instead of ending after 50
FEATURES = (ENCODER_NOISE, VOICES, SOURCE_TAPER)  # of `requires`; docs/bundle.md says what each is
MANIFEST = "voice.json"
DEFAULT_VOICE = "heart"  # of those that ship with dlpo
SEAL = "manifest_sha256"
MAX_MANIFEST_BYTES = 1 << 20
EXPORT_AGAIN = 'export again with "dlpo export"'
UPGRADE = "install a newer dlpo"
_OPEN_SEAL = "0" * 64


def seal(values: Mapping[str, Any]) -> bytes:
    """The content of `voice.json`: JSON values, and the sha256 of the content itself.

    The hash is computed with 64 zeros in its own place, so that any language can check it without
    a canonical form of JSON.
    """
    opened = {"format": values["format"], SEAL: _OPEN_SEAL, **values}
    content = (json.dumps(opened, indent=2, ensure_ascii=False) + "\n").encode()
    return content.replace(_OPEN_SEAL.encode(), hashlib.sha256(content).hexdigest().encode(), 1)


def unseal(content: bytes) -> tuple[dict[str, Any], str]:
    """Check JSON, format, seal and required features, before any other key.

    Returns:
        The values without the seal, and the seal: the sha256 that identifies the bundle.

    Raises:
        BundleError: too long, not JSON, of another format, changed after it was written, or in
            need of a feature that this dlpo does not know.
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise BundleError(f"{MANIFEST} has more than {MAX_MANIFEST_BYTES} bytes; not a voice")
    try:
        values = json.loads(content)
        json.dumps(values, ensure_ascii=False).encode()  # refuses lone surrogates
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} is not JSON ({error}); {EXPORT_AGAIN}") from error
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT:
        advice = UPGRADE if isinstance(found, int) and found > FORMAT else EXPORT_AGAIN
        raise BundleError(f"{MANIFEST}: format is {found!r}, this dlpo reads {FORMAT}; {advice}")
    seal = values.pop(SEAL, None)
    if not (isinstance(seal, str) and re.fullmatch("[0-9a-f]{64}", seal)):
        raise BundleError(f"{MANIFEST}: {SEAL} is {seal!r}, expected a sha256; {EXPORT_AGAIN}")
    digest = hashlib.sha256(content.replace(seal.encode(), _OPEN_SEAL.encode())).hexdigest()
    if digest != seal:
        raise BundleError(
            f"{MANIFEST}: sha256 is {digest}, {SEAL} says {seal}: it was changed after it was "
            'written; undo that or copy it again; see "Changing a bundle" in docs/bundle.md'
        )
    required = values.get("requires", [])
    if isinstance(required, list) and (unknown := [x for x in required if x not in FEATURES]):
        raise BundleError(
            f"{MANIFEST} requires {', '.join(map(str, unknown))}, which this dlpo does not know; "
            f"{UPGRADE}"
        )
    return values, seal
