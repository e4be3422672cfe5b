"""The messages that a WebSocket client gets, and how its connection ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from aiohttp import WSCloseCode, web

from dlpo_serving.audio_stream import taken_within
from dlpo_serving.errors import ShuttingDownError
from dlpo_serving.protocols.http.dialects import Dialect, Message
from dlpo_serving.protocols.http.replies import REPORT_ERROR_S
from dlpo_serving.protocols.http.socket_inbox import Inbox
from dlpo_serving.protocols.http.statuses import ErrorReply, Names, reply_to
from dlpo_serving.synthesis.timing import WordTiming

SHUTTING_DOWN = reply_to(ShuttingDownError())


@dataclass(slots=True, eq=False, weakref_slot=True)
class SocketReply:
    """An open WebSocket connection, and what was sent on it."""

    response: web.WebSocketResponse
    inbox: Inbox
    dialect: Dialect
    names: Names
    """what the API calls its fields, for errors"""
    stall_s: float
    paced: bool
    """audio is sent at the pace of playback, see `pacing`"""
    first_audio_ms: float | None = None
    """of each utterance, unless it names one; see `SynthesisCall`"""
    rate_hz: int = 0
    """sample rate of the audio, once it begins"""
    sent_s: float = 0.0
    """seconds of audio"""
    words: list[WordTiming] = field(default_factory=list)
    context: Message = field(default_factory=dict)
    """added to every message"""

    def another(self, dialect: Dialect | None = None, **context: Any) -> SocketReply:
        """The same connection for another utterance; `context` is added to every message."""
        kept = self.names, self.stall_s, self.paced, self.first_audio_ms
        return SocketReply(
            self.response, self.inbox, dialect or self.dialect, *kept, context=context
        )

    async def send(self, *messages: Message | bytes) -> None:
        """Send messages one after another.

        Raises:
            StalledError: the client has stopped reading.
        """
        async with taken_within(self.stall_s):
            for message in messages:
                if isinstance(message, bytes):
                    await self.response.send_bytes(message)
                else:
                    await self.response.send_json({**message, **self.context})

    async def refuse(self, error: Exception) -> None:
        """Say why an utterance isn't spoken, or not to its end."""
        await self.send(*self.dialect.error(reply_to(error, self.names)))

    async def cut(self, error: ErrorReply) -> None:
        """See `Begun`: send the error as a message, then close."""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(REPORT_ERROR_S):
                for message in self.dialect.error(error):
                    await self.response.send_json(message)
                await self.response.close(code=_close_code(error))

    def heard(self, played_s: float | None) -> Message:
        """How much was heard: the last word that had begun, and characters of text to its end."""
        until_s = self.sent_s if played_s is None else min(played_s, self.sent_s)
        begun = [word for word in self.words if word.start < until_s * self.rate_hz]
        return {
            "sent_s": round(self.sent_s, 6),
            "played_s": round(until_s, 6),
            "word": begun[-1].word if begun else None,
            "characters": begun[-1].text_end if begun else 0,
        }


def _close_code(error: ErrorReply) -> WSCloseCode:
    if error.status == SHUTTING_DOWN.status:
        return WSCloseCode.GOING_AWAY
    return WSCloseCode.INTERNAL_ERROR if error.status >= 500 else WSCloseCode.POLICY_VIOLATION


class OpenSockets:
    """The open connections of a server, which hear of it when it shuts down."""

    def __init__(self) -> None:
        self._replies: WeakSet[SocketReply] = WeakSet()

    def add(self, reply: SocketReply) -> None:
        """Keep a connection in mind until it ends."""
        self._replies.add(reply)

    def leave(self) -> None:
        """Have connections end as soon as nothing is spoken on them, the idle ones now."""
        for reply in tuple(self._replies):
            reply.inbox.leave()

    async def close(self) -> None:
        """End all connections, each with an error of its API."""
        left = [reply for reply in self._replies if not reply.response.closed]
        await asyncio.gather(*(reply.cut(SHUTTING_DOWN) for reply in left))
