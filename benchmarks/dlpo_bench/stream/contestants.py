"""Whom a run measures: our own server behind each of its protocols, or servers that run already."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import parse_qs, urlsplit

from dlpo.errors import InputError

Protocol = Literal["dlpo", "riva", "openai"]

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
RATES_HZ: Mapping[Protocol, int] = {"dlpo": 0, "riva": 22_050, "openai": 24_000}
"""Of the audio: dlpo.v1 says it itself, Riva's callers ask for one, OpenAI's pcm has this one."""
EXPECTED = (
    "expected HOST:PORT or riva://HOST:PORT, dlpo://HOST:PORT, or http://HOST:PORT/v1 of an"
    " OpenAI-compatible server, each with ?voice=NAME, model, rate_hz or metrics=URL where needed"
)

_SCHEME = re.compile(r"\w+://")


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server as its callers see it."""

    name: str
    """what tables call it"""
    protocol: Protocol
    address: str
    """host:port; of OpenAI's protocol the URL before /audio/speech"""
    rate_hz: int
    """of the audio, where the server does not say it; 0 where it does"""
    voice: str = ""
    """empty: the server's default"""
    model: str = "tts-1"
    """what OpenAI's protocol wants named"""
    pid: int | None = None
    """of the server, where this run started it"""
    metrics_url: str | None = None
    """a page with figures of a dlpo server"""


def parse_against(text: str) -> Contestant:
    """A server that runs already.

    Raises:
        InputError: the text names none.
    """
    parts = urlsplit(text if _SCHEME.match(text) else f"riva://{text}")
    try:
        given = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        host_and_port = bool(parts.hostname and parts.port)
    except ValueError as error:
        raise InputError(f"--against {text}: {error}; {EXPECTED}") from error
    if unknown := sorted(set(given) - {"voice", "model", "rate_hz", "metrics"}):
        raise InputError(f"--against {text}: no setting {', '.join(unknown)}; {EXPECTED}")
    web = parts.scheme in ("http", "https")
    protocol = next((one for one in PROTOCOLS if one == ("openai" if web else parts.scheme)), None)
    if protocol is None or not parts.hostname or not (web or host_and_port):
        raise InputError(f"--against {text}: {EXPECTED}")
    rate = given.get("rate_hz", [str(RATES_HZ[protocol])])[-1]
    if not rate.isdecimal() or (not int(rate) and protocol != "dlpo"):
        raise InputError(f"--against {text}: rate_hz is {rate!r}; expected a whole number above 0")
    root = f"{parts.scheme}://{parts.netloc}"
    return Contestant(
        name=f"{parts.netloc} {protocol}",
        protocol=protocol,
        address=f"{root}{parts.path.rstrip('/')}" if web else parts.netloc,
        rate_hz=int(rate),
        voice=given.get("voice", [""])[-1],
        model=given.get("model", ["tts-1"])[-1],
        # One of ours tells its figures there; of another it is found out that it does not.
        metrics_url=given.get("metrics", [f"{root}/metrics" if web else None])[-1],
    )
