"""The routes of Riva's realtime API, which shares `/v1/realtime` with OpenAI's.

Text between two commits is one call, spoken while it is written. `done` ends the conversation:
the last event says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from aiohttp import web

from dlpo_serving.errors import wrong_value
from dlpo_serving.operations.call_scope import current_call
from dlpo_serving.protocols.http.dialects import Message, authorization, text_of
from dlpo_serving.protocols.http.speech_body import SpeechBody
from dlpo_serving.protocols.http.speech_socket import IDLE_S, SpeechSockets
from dlpo_serving.protocols.http.successive_texts import SuccessiveTexts, successive_texts
from dlpo_serving.protocols.openai_realtime.server import openai_realtime
from dlpo_serving.protocols.riva_realtime.replies import RivaEvents, event
from dlpo_serving.protocols.riva_realtime.requests import read_session, session_of


def riva_realtime_routes(sockets: SpeechSockets) -> list[web.RouteDef]:
    """The WebSocket, what clients fetch before they open it, and the voices."""
    return [
        web.get("/v1/realtime", partial(_realtime, sockets)),
        web.post("/v1/realtime/synthesis_sessions", partial(_session, sockets)),
        web.get("/v1/audio/list_voices", partial(_voices, sockets)),
    ]


async def _realtime(sockets: SpeechSockets, request: web.Request) -> web.StreamResponse:
    """Riva's clients say what they intend; all others are OpenAI's."""
    if request.query.get("intent") != "synthesize":
        return await openai_realtime(sockets, request)
    conversation = RivaConversation(sockets)
    body = conversation.read({})
    end = "its completed event"
    opened = successive_texts(sockets, request, conversation.events, body, "speech", end)
    async with opened as texts:
        await conversation.follow(texts)
    return texts.reply.response


async def _session(sockets: SpeechSockets, request: web.Request) -> web.Response:
    """A session with what applies if a client changes nothing; nothing is kept of it."""
    conversation = RivaConversation(sockets)
    session = conversation.session(conversation.read({}))
    secret = None
    if current_call().caller:  # its own key opens the WebSocket, too
        secret = {"value": authorization(request)[0].removeprefix("Bearer ")}
    headers = {"Cache-Control": "no-store"}
    return web.json_response({**session, "client_secret": secret}, headers=headers)


async def _voices(sockets: SpeechSockets, request: web.Request) -> web.Response:
    voices: dict[str, dict[str, list[str]]] = {}
    for one in sockets.service.voices:
        voices.setdefault(one.language, {"voices": []})["voices"].append(one.voice)
    return web.json_response(voices)


class RivaConversation:
    """The messages of one connection."""

    def __init__(self, sockets: SpeechSockets) -> None:
        self._sockets = sockets
        self._voices = sockets.service.loaded_voices()
        self._id = f"sess_{uuid4()}"
        self._texts: SuccessiveTexts | None = None
        self._is_over = False
        self.events = RivaEvents(self._is_last)

    def read(self, session: Mapping[str, Any]) -> SpeechBody:
        """How a session's texts are spoken; see `read_session` for errors."""
        return read_session(session, [one.voice for one in self._voices])

    def session(self, body: SpeechBody) -> Message:
        """The session as the client gets it."""
        return session_of(body, self._voices[0].voice, self._voices[0].language, self._id)

    def _is_last(self) -> bool:
        return self._is_over and not (self._texts and self._texts.left)

    async def follow(self, texts: SuccessiveTexts) -> None:
        """Follow the client's messages until it is done, and speak what is still open."""
        self._texts = texts
        reply = texts.reply
        await reply.send(event("conversation.created", conversation={"id": self._id}))
        while not self._is_over:
            message = await texts.inbox.next(IDLE_S, texts.is_speaking)
            match message:
                case {"type": "synthesize_session.update", "session": dict(asked)}:
                    texts.count()
                    body = self.read(asked)
                    self._sockets.check(body)
                    texts.body = body
                    session = self.session(body)
                    await reply.send(event("synthesize_session.updated", session=session))
                case {"type": "input_text.append"}:
                    texts.write(text_of("text", message.get("text")))
                case {"type": "input_text.commit"}:
                    texts.count()
                    texts.end()
                case {"type": "input_text.done"}:
                    self._is_over = True
                case _:
                    known = "synthesize_session.update, input_text.append, .commit or .done"
                    raise wrong_value("type", message.get("type"), known)
        await texts.finish()
        if not self.events.ended:
            await reply.send(self.events.completed())
