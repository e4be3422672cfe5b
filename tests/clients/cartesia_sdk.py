"""Cartesia's own package: `python cartesia_sdk.py http://HOST:PORT TEXT AUDIO` checks each call.

AUDIO gets the samples of `generate`; all other calls must give the same.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cartesia import Cartesia

ASKED: dict[str, Any] = {
    "model_id": "sonic-3",
    "voice": {"mode": "id", "id": "heart"},
    "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000},
}


def check(client: Cartesia, text: str) -> bytes:
    audio = client.tts.generate(transcript=text, **ASKED).read()
    events = list(client.tts.generate_sse(transcript=text, add_timestamps=True, **ASKED))
    assert b"".join(one.audio for one in events if one.type == "chunk") == audio
    words = [w for one in events if one.type == "timestamps" for w in one.word_timestamps.words]
    assert words == text.split()
    with client.tts.websocket_connect() as connection:
        context = connection.context(**ASKED, add_timestamps=True)
        for word in text.split(" "):
            context.push(word + " ")
        context.no_more_inputs()
        received = list(context.receive())
    assert b"".join(one.audio for one in received if one.type == "chunk") == audio
    names = [voice.id for voice in client.voices.list(limit=2)]  # of all pages
    assert len(set(names)) == len(names) > 2
    assert client.voices.get("heart").language == "en"
    return audio


if __name__ == "__main__":
    url, text, path = sys.argv[1:]
    socket = url.replace("http", "ws", 1)
    client = Cartesia(api_key="none", base_url=url, websocket_base_url=socket)
    Path(path).write_bytes(check(client, text))
