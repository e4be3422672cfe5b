"""Connections of an HTTP port: how many there are, whose they are, and how long they may stall."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiohttp import HttpVersion11, web

from dlpo_serving.protocols.http.turns import SMALL_BYTES, ParsingTurns

MAX_CONNECTIONS = 2_000  # each takes a file descriptor and some 20 kB
SHARE = 0.25  # of them that one address may hold, unless it is a proxy's
MAX_REFUSALS = 200  # further connections, which get a probe's answer or 503
REFUSAL_S = 1.0  # for which such a connection lasts at most
HANDSHAKE_S = 10.0  # for a TLS handshake
SWEEP_S = 1.0  # between two looks for connections whose client has stopped reading
SLICE_BYTES = 16_384  # of what came that is read in one turn: 2,300 of the smallest frames
SETTLE_S = 0.05  # in which the handler of what came before the end of input has begun
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"  # clients skip it; a closed socket resets it
LATER_S = 2.0  # after the time in which whoever writes has had a chance to say why it ends

Probe = Callable[[], tuple[int, str]]
PROBES: web.AppKey[Mapping[str, Probe]] = web.AppKey("probes", Mapping)
"""path -> status and text; answered even if there is no place for a connection"""


def owner_of(peername: Any) -> str:
    """The address that a connection counts for: with IPv6 its network, which has one owner."""
    try:
        address = ipaddress.ip_address(str(peername[0]).partition("%")[0])
    except (ValueError, TypeError, IndexError):  # not of the network
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


class Connections:
    """The open connections of one port. For one event loop."""

    def __init__(
        self,
        handlers: Callable[[], asyncio.Protocol],
        probes: Mapping[str, Probe],
        turns: ParsingTurns,
        stall_s: float,
        proxies: Collection[str] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """
        Args:
            handlers: makes the protocol of a connection that is served.
            probes: see `PROBES`.
            turns: of the server, in which what came is read.
            stall_s: seconds for which a client may leave a reply unread.
            proxies: addresses that speak for many callers, so that no share applies.
            tls: None for plain HTTP. A connection counts from its first byte, handshake included.
        """
        self.tls = tls
        self.turns = turns
        self._handlers = handlers
        self._probes = probes
        self._stall_s = stall_s
        self._proxies = frozenset(owner_of([proxy]) for proxy in proxies)
        self._held: Counter[str] = Counter()
        self._served: set[CountedConnection] = set()
        self._refused = 0

    def accept(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return CountedConnection(self)

    def begin(self, connection: CountedConnection, owner: str) -> asyncio.Protocol | None:
        """What serves a connection, or refuses it; None if there is no time even for that."""
        share = MAX_CONNECTIONS if owner in self._proxies else max(SHARE * MAX_CONNECTIONS, 1)
        if len(self._served) < MAX_CONNECTIONS and self._held[owner] < share:
            self._served.add(connection)
            self._held[owner] += 1
            return self._handlers()
        if self._refused >= MAX_REFUSALS:
            return None
        self._refused += 1
        return Refusal(self._probes)

    def end(self, connection: CountedConnection, owner: str) -> None:
        """Give the place of a connection back."""
        if connection in self._served:
            self._served.remove(connection)
            self._held -= Counter([owner])  # which also drops counts of 0
        else:
            self._refused = max(self._refused - 1, 0)

    async def watch(self) -> None:
        """Cut connections whose clients leave what was sent unread; until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = asyncio.get_running_loop().time()
            for connection in tuple(self._served):
                connection.cut_if_stalled(now_s, self._stall_s + LATER_S)

    def close(self) -> None:
        """End the handshakes under way; whoever serves the others ends those."""
        for connection in tuple(self._served):
            connection.cut_if_unfinished()


class CountedConnection(asyncio.Protocol):
    """Passes everything on to the protocol that serves the connection, and counts it."""

    def __init__(self, house: Connections) -> None:
        self._house = house
        self._owner = ""
        self._inner: asyncio.Protocol | None = None
        self._is_connected = False  # whether `_inner` has its transport
        self._unread = bytearray()  # what came, until its turn, or the end of the handshake
        self._waits = False  # for a turn
        self._holds = False  # the client back, until then
        self._transport: asyncio.Transport | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._paused = False
        self._stalled_s: float | None = None  # since when
        self.request: web.Request | None = None
        """that is being answered"""
        self.owes_head = False
        """of a reply to it"""
        self.has_ended = False
        """the client sends no more"""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`; with TLS, before the handshake, which counts too."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._owner = owner_of(transport.get_extra_info("peername"))
        self._inner = self._house.begin(self, self._owner)
        if self._inner is None:
            transport.abort()
        elif self._house.tls:
            limit_s = REFUSAL_S if isinstance(self._inner, Refusal) else HANDSHAKE_S
            self._handshake = asyncio.create_task(self._secure(self._house.tls, limit_s))
        else:
            self._connect(transport)

    async def _secure(self, tls: ssl.SSLContext, limit_s: float) -> None:
        assert self._transport
        loop = asyncio.get_running_loop()
        try:
            secure = await loop.start_tls(
                self._transport, self, tls, server_side=True, ssl_handshake_timeout=limit_s
            )
        except OSError:  # it failed, or took too long; `ssl.SSLError` is one
            secure = None
        if secure is None or self._transport.is_closing():
            self.connection_lost(None)  # asyncio does not tell during a handshake
        else:
            self._connect(secure)

    def _connect(self, transport: asyncio.Transport) -> None:
        if not self._inner:
            return
        self._transport = transport
        self._is_connected = True
        self._inner.connection_made(transport)
        if self._unread:
            self._wait_for_turn()

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`; may be called twice."""
        inner = self._inner
        self._inner = None
        if inner:
            self._house.end(self, self._owner)
            if self._is_connected:
                inner.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if not self._inner:
            return
        if self._is_connected and not self._unread and len(data) <= SMALL_BYTES:
            self._inner.data_received(data)
            return
        self._unread += data
        if self._is_connected and not self._waits:
            self._wait_for_turn()

    def _wait_for_turn(self) -> None:
        assert self._transport
        if self._transport.is_reading():  # else whoever serves the connection holds it back
            self._transport.pause_reading()
            self._holds = True
        self._waits = True
        self._house.turns.take(self._read)

    def _read(self) -> None:
        self._waits = False
        if not self._inner or not self._transport:
            return
        if self._holds:
            self._holds = False
            self._transport.resume_reading()
        data = bytes(self._unread[:SLICE_BYTES])
        del self._unread[:SLICE_BYTES]
        self._inner.data_received(data)
        if self._unread:
            self._wait_for_turn()

    def eof_received(self) -> bool | None:
        """See `asyncio.Protocol`; a client that only stopped sending still gets its answer.

        Once a reply has begun, a client that sends no more counts as gone, as nothing may be put
        into the reply to find out.
        """
        if not self._inner or not self._is_connected or self._house.tls:
            return None
        if self.request and not self.owes_head:
            return None
        self.has_ended = True
        self._look_whether_gone()
        return True

    def _look_whether_gone(self, has_settled: bool = False) -> None:
        """End the connection if nothing is to be answered; find out if its client has closed it."""
        if not self._transport or self._transport.is_closing():
            return
        later = asyncio.get_running_loop().call_later
        if self.request:
            # With HTTP/1.0 nothing may come before the reply.
            if self.owes_head and self.request.version >= HttpVersion11:
                self._transport.write(INTERIM)  # a reset shows when the next one is written
                later(SWEEP_S if has_settled else SETTLE_S, self._look_whether_gone, True)
        elif self._unread or not has_settled:
            later(SETTLE_S, self._look_whether_gone, not self._unread)
        else:
            self._transport.close()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._paused = True
        if self._inner and self._is_connected:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._paused = False
        self._stalled_s = None
        if self._inner and self._is_connected:
            self._inner.resume_writing()

    def cut_if_unfinished(self) -> None:
        """Cut the connection if its handshake is under way."""
        if not self._is_connected and self._transport:
            self._transport.abort()

    def cut_if_stalled(self, now_s: float, limit_s: float) -> None:
        """Cut the connection if its client has not read what waits for it for that long.

        A client that has read so much that writing may go on begins a new time.
        """
        assert self._transport
        unread = self._transport.get_write_buffer_size() > 0
        if not unread or not (self._paused or self._transport.is_closing()):
            self._stalled_s = None
        elif self._stalled_s is None:
            self._stalled_s = now_s
        elif now_s - self._stalled_s > limit_s:
            self._transport.abort()


def connection_of(request: web.Request) -> CountedConnection | None:
    """The connection of a request for which the client waits, not a WebSocket's."""
    connection = request.transport.get_protocol() if request.transport else None
    is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
    return connection if isinstance(connection, CountedConnection) and not is_socket else None


@contextmanager
def answering(request: web.Request) -> Iterator[None]:
    """Note while a request is being answered."""
    if (connection := connection_of(request)) is None:
        yield
        return
    connection.request = request
    connection.owes_head = True
    try:
        yield
    finally:
        connection.request = None


def begin_reply(request: web.Request, response: web.StreamResponse) -> None:
    """Note that the head of a reply is sent; the last one to a client that sends no more."""
    if connection := connection_of(request):
        connection.owes_head = False
        if connection.has_ended:
            response.force_close()


class Refusal(asyncio.Protocol):
    """Answers one request of a connection for which there is no place: a probe, or with 503."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._probes = probes
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._end = asyncio.get_running_loop().call_later(REFUSAL_S, transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._end.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer once the first line is there."""
        if self._transport.is_closing():
            return
        self._head += data[:2_000]
        line, complete, _ = self._head.partition(b"\r\n")
        if not complete and len(self._head) < 2_000:
            return
        words = line.decode("latin-1").split(" ")
        probe = self._probes.get(words[1]) if words[0] == "GET" and len(words) > 1 else None
        status, text = probe() if probe else (503, "there are too many connections\n")
        reason = "OK" if status == 200 else "Service Unavailable"
        self._transport.write(
            f"HTTP/1.1 {status} {reason}\r\nRetry-After: 1\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode()
        )
        self._transport.close()
