"""Speak a text in pieces over a WebSocket, and break in: no gRPC, only aiohttp.

dlpo serve --http-port 8080
python docs/examples/websocket_client.py "Noise becomes speech, word by word." speech.wav
"""

from __future__ import annotations

import asyncio
import json
import sys
import wave

import aiohttp

URL = "http://127.0.0.1:8080/v1/audio/speech/stream"


async def speak(text: str, path: str, cancel_after_s: float | None = None) -> dict[str, object]:
    """Write the audio to a WAV file; the server's last message says how it ended."""
    async with aiohttp.ClientSession() as session, session.ws_connect(URL) as socket:
        await socket.send_json({"type": "begin"})
        for word in text.split():  # as a language model would write it
            await socket.send_json({"type": "text", "text": word + " "})
        await socket.send_json({"type": "end"})
        last = {}
        rate_hz = 0
        audio = b""
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                audio += message.data
                if cancel_after_s is not None and len(audio) / 2 / rate_hz >= cancel_after_s:
                    await socket.send_json({"type": "cancel", "played_s": cancel_after_s})
                    cancel_after_s = None
            else:
                last = json.loads(message.data)
                rate_hz = last.get("sample_rate", rate_hz)
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(audio)
    return last


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        print(asyncio.run(speak(sys.argv[1], sys.argv[2])))
    except aiohttp.ClientError as error:
        sys.exit(f"{URL}: {error}; start dlpo serve --http-port 8080")
