"""What the server and its docs know of an API: one record, in the API's own module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from dlpo_serving.rpc.interceptor import FieldPath
from dlpo_serving.service import SynthesisService

COLUMNS = ("API", "for", "live", "text in pieces", "interruption", "times", "key")


@dataclass(frozen=True, slots=True)
class KeyPlaces:
    """Where clients of an API put their key, besides `Authorization: Bearer`."""

    headers: tuple[str, ...] = ()
    """names of headers that hold nothing else"""
    scheme: str = ""
    """of the header `Authorization`, instead of Bearer"""
    subprotocol: str = ""
    """prefix of the key among the subprotocols that a WebSocket client offers"""

    def sent_in(self, headers: Mapping[str, str]) -> bool:
        """Whether these headers of a request have a key where only this API has it."""
        scheme = headers.get("Authorization", "").partition(" ")[0].lower()
        named = bool(self.scheme) and scheme == self.scheme.lower()
        return named or any(name in headers for name in self.headers)

    def __str__(self) -> str:
        places = [f"`{name}`" for name in self.headers]
        if self.scheme:
            places.append(f"`Authorization: {self.scheme}`")
        if self.subprotocol:
            places += ["`Authorization`", "subprotocol"]
        return ", ".join(places) or "`Authorization: Bearer`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """An API, and its row in docs/apis.md."""

    name: str
    page: str
    """of the docs, with its section"""
    uses: str
    """who takes it, and what for"""
    live: str = "yes"
    """which calls are heard in time or refused at once; others are whole files, which may wait"""
    pieces: str = "no"
    """whether a text may come in pieces"""
    interruption: str = "close the connection"
    """how a client ends speech that is under way"""
    times: str = "none"
    """of what the client gets the times"""
    keys: KeyPlaces | None = KeyPlaces()
    """None: it has none"""

    def row(self) -> str:
        """The row, in Markdown."""
        keys = "none: keep the port local" if self.keys is None else str(self.keys)
        name = f"[{self.name}]({self.page})"
        return _row(name, self.uses, self.live, self.pieces, self.interruption, self.times, keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcApi(Api):
    """An API of the gRPC port."""

    service: ServiceDescriptor
    servicer: Callable[[SynthesisService], Any]
    """makes what answers its calls"""
    field_path: FieldPath
    """its own names of fields, for errors"""


def table_of(apis: Iterable[Api]) -> str:
    """The table of docs/apis.md."""
    head = [_row(*COLUMNS), "|---" * len(COLUMNS) + "|"]
    return "\n".join([*head, *(api.row() for api in apis)])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
