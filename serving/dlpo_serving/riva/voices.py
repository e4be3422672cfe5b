"""Names of voices as Riva's clients write them, and the voices as they want them listed."""

from __future__ import annotations

import re
from collections.abc import Collection

from dlpo.bundle import Manifest
from dlpo_serving.request import RequestError, Violation
from dlpo_serving.riva.proto import riva_tts_pb2

FAMILY = "dlpo"  # clients join a family and its members with a dot: "dlpo.lj"

# What clients ask for unless their user chose: "English-US.Female-1" is in NVIDIA's tutorials,
# "Magpie-Multilingual.EN-US.Aria" the default of Pipecat, "...Leo" that of LiveKit.
_STOCK = re.compile(r"English-US[\w.-]*|[\w-]+\.en-us\.[\w.-]+", re.IGNORECASE)


def voice_named(name: str, known: Collection[str]) -> str:
    """The name among `known` that a caller means; "" is the default voice.

    NVIDIA's own American voices stand for the default one, so that a client whose user chose none
    works by changing only the address. A name that nobody has comes back as it is.
    """
    if name in known:
        return name
    if name.removeprefix(f"{FAMILY}.") in known:
        return name.removeprefix(f"{FAMILY}.")
    if _STOCK.fullmatch(name):
        return ""
    return name


def check_language(code: str, manifest: Manifest) -> None:
    """Check that a voice speaks a language.

    Args:
        code: BCP 47, for example "en-US" or "en"; "" is the voice's own.

    Raises:
        RequestError: it does not.
    """
    asked, spoken = code.lower().split("-"), manifest.language.lower().split("-")
    if code and asked != spoken[: len(asked)]:
        message = f"is {code!r}; voice {manifest.voice!r} speaks {manifest.language}"
        raise RequestError(Violation("language_code", message))


def voice_config(manifest: Manifest) -> riva_tts_pb2.RivaSynthesisConfigResponse.Config:
    """What a client is told about a voice."""
    return riva_tts_pb2.RivaSynthesisConfigResponse.Config(
        model_name=manifest.voice,
        parameters={
            "language_code": manifest.language,
            "voice_name": FAMILY,
            "subvoices": f"{manifest.voice}:0",
            "sample_rate_hz": str(manifest.sample_rate_hz),
        },
    )
