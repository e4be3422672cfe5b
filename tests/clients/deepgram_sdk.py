"""Deepgram's own package: `python deepgram_sdk.py HOST:PORT TEXT AUDIO` checks both calls.

AUDIO gets the samples of `generate`; the WebSocket must give the same.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from deepgram import DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.speak.v1.types import SpeakV1Close, SpeakV1Flush, SpeakV1Text
from deepgram.speak.v2.types import SpeakV2Interrupt, SpeakV2InterruptPlaybackOffset, SpeakV2Speak

FORMAT = {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": 24_000}


def check(client: DeepgramClient, text: str) -> bytes:
    whole = b"".join(client.speak.v1.audio.generate(text=text, container="none", **FORMAT))
    received: list[Any] = []
    with client.speak.v1.connect(**FORMAT) as connection:

        def keep(message: Any) -> None:
            received.append(message)
            if getattr(message, "type", "") == "Flushed":
                connection.send_close(SpeakV1Close(type="Close"))

        connection.on(EventType.MESSAGE, keep)
        for word in text.split(" "):
            connection.send_text(SpeakV1Text(type="Speak", text=word + " "))
        connection.send_flush(SpeakV1Flush(type="Flush"))
        connection.start_listening()
    assert b"".join(one for one in received if isinstance(one, bytes)) == whole
    kinds = [one.type for one in received if not isinstance(one, bytes)]
    assert kinds == ["Metadata", "Flushed"], kinds
    check_flux(client, text, whole)
    return whole


def check_flux(client: DeepgramClient, text: str, whole: bytes) -> None:
    """A turn of Flux sounds the same, and half of it was heard at an interruption there."""
    received: list[Any] = []
    with client.speak.v2.connect(**{**FORMAT, "model": "flux-haley-en"}) as connection:

        def keep(message: Any) -> None:
            received.append(message)
            if getattr(message, "type", "") == "SpeechMetadata":
                half = SpeakV2InterruptPlaybackOffset(value=message.audio_duration_ms // 2)
                connection.send_interrupt(SpeakV2Interrupt(playback_offset=half))
            if getattr(message, "type", "") == "SpeechInterrupted":
                connection.send_close()

        connection.on(EventType.MESSAGE, keep)
        for word in text.split(" "):
            connection.send_speak(SpeakV2Speak(text=word + " "))
        connection.send_flush()
        connection.start_listening()
    assert b"".join(one for one in received if isinstance(one, bytes)) == whole
    told = [one for one in received if not isinstance(one, bytes)]
    assert [one.type for one in told] == [
        "Connected", "SpeechStarted", "Flushed", "SpeechMetadata", "SpeechInterrupted",
        "SessionMetadata",
    ]  # fmt: skip
    heard = told[-2]
    assert heard.text_spoken + heard.text_remaining == text + " "
    assert heard.text_spoken.strip()
    assert heard.text_remaining.strip()


if __name__ == "__main__":
    address, text, path = sys.argv[1:]
    http, socket = f"http://{address}", f"ws://{address}"
    environment = DeepgramClientEnvironment(
        base=http, production=socket, agent=socket, agent_rest=http
    )
    client = DeepgramClient(api_key="none", environment=environment)
    Path(path).write_bytes(check(client, text))
