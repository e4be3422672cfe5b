"""Speak a text through OpenAI's Realtime API, by its own Python package.

pip install 'openai[realtime]'
dlpo serve --http-port 8080
python docs/examples/openai_realtime.py http://127.0.0.1:8080/v1 "Noise becomes speech." speech.wav
"""

import asyncio
import base64
import sys
import wave

from openai import AsyncOpenAI

RATE_HZ = 24_000  # of audio/pcm


async def speak(url: str, text: str, path: str) -> None:
    """Write the audio to a WAV file."""
    content = [{"type": "input_text", "text": text}]
    output = {"voice": "alloy", "format": {"type": "audio/pcm", "rate": RATE_HZ}}
    audio = b""
    async with (
        AsyncOpenAI(base_url=url, api_key="none") as client,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        await connection.session.update(session={"type": "realtime", "audio": {"output": output}})
        item = {"type": "message", "role": "user", "content": content}
        await connection.conversation.item.create(item=item)
        await connection.response.create()
        async for event in connection:
            match event.type:
                case "response.output_audio.delta":
                    audio += base64.b64decode(event.delta)
                case "response.output_audio_transcript.delta":
                    print(event.delta, end="", flush=True)
                case "error":
                    sys.exit(event.error.message)
                case "response.done":
                    break
    print(f": {event.response.status}")
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(audio)


if __name__ == "__main__":
    asyncio.run(speak(*sys.argv[1:]))
