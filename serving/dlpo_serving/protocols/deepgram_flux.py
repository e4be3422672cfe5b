"""Deepgram's API for agents, Flux: `/v2/speak` over HTTP and as a WebSocket of turns.

The text of `Speak` messages up to a `Flush` is a turn, and a call. `Interrupt` says how much of the
session's audio was played; the answer splits the turn's text there, by the times of its words. The
server is ahead of playback, so that turn may be one whose audio has been sent in full; one that has
no audio yet is cancelled, too.

Reference: https://developers.deepgram.com/docs/flux-tts/overview
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any
from uuid import uuid4

from aiohttp import web

from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.errors import wrong_value
from dlpo_serving.protocols.api import KeyPlaces
from dlpo_serving.protocols.deepgram import NAMES, PAGE, read_query, speak
from dlpo_serving.protocols.http.api import HttpApi, post, socket
from dlpo_serving.protocols.http.dialects import Dialect, Message, object_of, text_of
from dlpo_serving.protocols.http.speech_socket import IDLE_S, SpeechSockets
from dlpo_serving.protocols.http.statuses import ErrorReply
from dlpo_serving.protocols.http.successive_texts import SuccessiveTexts, successive_texts

LEAST_SPEED = 0.5
MOST_SPEED = 1.5
SPEED_STEPS = 20  # in 1
MOST_TURNS = 20  # that may be sent before they are played
NO_CONTROLS = {"pronunciations_applied": 0, "breaks_applied": 0, "pronunciation_warnings": 0}


@dataclass(slots=True)
class Turn:
    """What an agent says in one go."""

    speech_id: str = field(default_factory=lambda: f"dg_sp_{token_hex(6)}")
    text: str = ""
    start_s: float = 0.0
    """where it begins in the session's audio"""
    audio_s: float = 0.0
    words: list[tuple[float, int]] = field(default_factory=list)
    """where each begins, in seconds of the turn, and the characters of text to its end"""

    @property
    def stop_s(self) -> float:
        return self.start_s + self.audio_s

    def heard(self, played_s: float) -> int:
        """Characters of its text up to the last word that had begun."""
        return max((end for start, end in self.words if start < played_s - self.start_s), default=0)

    def metadata(self) -> Message:
        return {
            "speech_id": self.speech_id,
            "audio_duration_ms": round(self.audio_s * 1000),
            "input_character_count": len(self.text),
            "billable_character_count": len(self.text),
            "controls_applied": NO_CONTROLS,
        }


class FluxDialect(Dialect):
    """What the server sends; see `_read` for what the client does."""

    def __init__(self, request: web.Request) -> None:
        super().__init__()
        self._model = request.query.get("model", "dlpo")
        self._open = Turn()  # of the last text
        self._written: deque[Turn] = deque()  # not spoken yet
        self._is_speaking = False
        self._begun: deque[Turn] = deque(maxlen=MOST_TURNS)  # since the last interruption
        self._played_s: float | None = None  # at the last interruption
        self._characters = 0

    def connected(self) -> Message:
        """The first message of a connection."""
        about = {"model_name": self._model, "model_version": "1", "model_uuids": [str(uuid4())]}
        return {"type": "Connected", "request_id": str(uuid4()), **about}

    def write(self, text: str, begins: bool) -> None:
        """Note text that will be spoken, and whether it begins a turn."""
        if begins:
            self._open = Turn()
            self._written.append(self._open)
        self._open.text += text
        self._characters += len(text)

    @property
    def _sent_s(self) -> float:
        """Seconds of the session's audio, of which interruptions took what was not played."""
        return self._begun[-1].stop_s if self._begun else self._played_s or 0.0

    def info(self, speech: AudioStream, warnings: Sequence[str]) -> Sequence[Message]:
        turn = self._written.popleft()
        turn.start_s = self._sent_s
        self._is_speaking = True
        self._begun.append(turn)
        started = {"type": "SpeechStarted", "speech_id": turn.speech_id}
        return [started, *(warning("IGNORED", one) for one in warnings)]

    def chunk(self, speech: AudioStream, chunk: EncodedChunk) -> Sequence[Message | bytes]:
        turn, rate_hz = self._begun[-1], speech.format.sample_rate_hz
        turn.audio_s = (chunk.sample_offset + chunk.samples) / rate_hz
        turn.words += [(word.start / rate_hz, word.text_end) for word in chunk.words]
        return [chunk.audio] if chunk.audio else []

    def done(self, speech: AudioStream) -> Sequence[Message]:
        turn = self._begun[-1]
        self._is_speaking = False
        flushed = {"type": "Flushed", "speech_id": turn.speech_id}
        return [flushed, {"type": "SpeechMetadata", **turn.metadata()}]

    def error(self, reply: ErrorReply) -> Sequence[Message]:
        if self._is_speaking:
            turn = self._begun[-1]
            self._is_speaking = False
            if not (turn.audio_s or any(map(str.isalnum, turn.text))):
                metadata = {"type": "SpeechMetadata", **turn.metadata()}
                return [warning("NO_SYNTHESIZABLE_TEXT", reply.message), metadata]
        elif self._written:  # it was refused
            self._written.popleft()
        code = reply.code or reply.kind
        return [{"type": "Error", "description": reply.message, "code": code}]

    def not_interrupted(self, played_s: float | None) -> Message | None:
        """Why an interruption, after so much was played of the session, has no effect."""
        last_s = self._played_s
        if last_s is not None and played_s is not None and played_s <= last_s:
            after = f"expected more than {round(last_s * 1000)} ms, the last Interrupt's"
            got = f"got {round(played_s * 1000)} ms"
            return warning("INVALID_INTERRUPT_OFFSET", f"{got}; {after}")
        if not (self._begun or self._written):
            spoken = "NO_AUDIO_GENERATED" if last_s is None else "NO_ACTIVE_SPEECH"
            return warning(spoken, "no turn is left to interrupt")
        return None

    def interrupted(self, played_s: float | None) -> Message:
        """Forget what was not played; which text was heard if the client says how much it played.

        Args:
            played_s: seconds of the session's audio.
        """
        until_s = self._sent_s if played_s is None else min(played_s, self._sent_s)
        first = (self._begun or self._written)[0]  # what waits has no audio yet
        turn = next((one for one in reversed(self._begun) if one.start_s <= until_s), first)
        heard = turn.heard(until_s)
        split = {"text_spoken": turn.text[:heard], "text_remaining": turn.text[heard:]}
        self._written.clear()
        self._begun.clear()
        self._is_speaking = False
        self._played_s = until_s
        return {
            "type": "SpeechInterrupted",
            "audio_played_ms": round(until_s * 1000),
            **({} if played_s is None else split),
            "metadata": turn.metadata(),
        }

    def closed(self) -> Message:
        """The last message of a connection."""
        return {
            "type": "SessionMetadata",
            "total_audio_duration_ms": round(self._sent_s * 1000),
            "total_input_character_count": self._characters,
            "total_billable_character_count": self._characters,
        }


def warning(code: str, description: str) -> Message:
    """A message after which the connection goes on."""
    return {"type": "Warning", "code": code, "description": description}


async def _converse(sockets: SpeechSockets, request: web.Request) -> web.StreamResponse:
    body, dialect = read_query(request, "", "linear16"), FluxDialect(request)
    end = "a SpeechMetadata"
    async with successive_texts(sockets, request, dialect, body, "speak", end) as texts:
        await texts.reply.send(dialect.connected())
        if "expressivity" in request.query:
            await texts.reply.send(warning("IGNORED", "expressivity: voices have one"))
        await _read(dialect, texts)
        await texts.reply.send(dialect.closed())
    return texts.reply.response


async def _read(dialect: FluxDialect, texts: SuccessiveTexts) -> None:
    """Follow the client's messages to `Close`, and speak what is still open."""
    while True:
        message = await texts.inbox.next(IDLE_S, texts.is_speaking)
        if (kind := message.get("type")) == "Speak":
            text, begins = text_of("text", message.get("text")), not texts.is_open
            texts.write(text)
            dialect.write(text, begins)
            continue
        if kind == "Flush" and texts.is_open:
            texts.end()
            continue
        texts.count()
        match kind:
            case "Flush":
                await texts.reply.send(warning("NO_ACTIVE_SPEECH", "no text came before Flush"))
            case "Interrupt":
                played_s = _played_s(message)
                ignored = dialect.not_interrupted(played_s)
                if not ignored:
                    await texts.clear()
                await texts.reply.send(ignored or dialect.interrupted(played_s))
            case "Configure":
                await texts.reply.send(_configure(texts, message.get("speed")))
            case "Close":
                return await texts.finish()
            case _:
                expected = "Speak, Flush, Interrupt, Configure or Close"
                raise wrong_value("type", kind, expected)


def _played_s(message: Message) -> float | None:
    """Seconds of the session's audio that were played, if an Interrupt says so."""
    match object_of(message, "playback_offset"):
        case {} if not message.get("playback_offset"):
            return None
        case {"type": "time_ms", "value": int(value)} if value >= 0 and value is not True:
            return value / 1000
    expected = '{"type": "time_ms", "value": milliseconds of the session}'
    raise wrong_value("playback_offset", message["playback_offset"], expected)


def _configure(texts: SuccessiveTexts, speed: Any) -> Message:
    """Speak turns that begin from now on at another speed."""
    if speed is None:
        return {"type": "ConfigureSuccess", "applied": {}}
    if isinstance(speed, bool) or not isinstance(speed, int | float):
        raise wrong_value("speed", speed, "a number")
    expected = f"expected {LEAST_SPEED} to {MOST_SPEED} in steps of {1 / SPEED_STEPS}"
    about = {"value": speed, "description": f"speed is {speed}; {expected}"}
    failure = {"type": "ConfigureFailure", "field": "speed", **about}
    if not LEAST_SPEED <= speed <= MOST_SPEED:
        return {**failure, "code": "SPEED_OUT_OF_RANGE"}
    if abs(speed * SPEED_STEPS - round(speed * SPEED_STEPS)) > 1e-6:
        return {**failure, "code": "SPEED_INCREMENT_INVALID"}
    texts.body = replace(texts.body, request=replace(texts.body.request, speed=speed))
    return {"type": "ConfigureSuccess", "applied": {"speed": speed}}


API = HttpApi(
    name="Deepgram Flux",
    page=PAGE,
    uses="agents that listeners interrupt",
    live="WebSocket",
    pieces="yes",
    interruption="`Interrupt`, answered with the text that was heard",
    keys=KeyPlaces(scheme="Token"),
    names=NAMES,
    routes=[
        post("/v2/speak", speak, "Deepgram's Flux: a text in, audio out"),
        socket("/v2/speak", _converse, "The same for turns of text in pieces"),
    ],
)
