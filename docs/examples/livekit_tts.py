"""LiveKit Agents speaks through dlpo: its own plugins, with nothing changed but the address.

    pip install livekit-plugins-nvidia livekit-plugins-openai livekit-plugins-elevenlabs
    dlpo serve --http-port 8080 &              # in an environment of its own
    python livekit_tts.py nvidia 127.0.0.1:50051 "Every agent has a voice." agent.wav
    python livekit_tts.py openai 127.0.0.1:8080 "Every agent has a voice." agent.wav
    python livekit_tts.py elevenlabs 127.0.0.1:8080 "Every agent has a voice." agent.wav

In an agent of yours it is one of the lines marked below, as the `tts` of its `AgentSession`.
`nvidia` and `elevenlabs` take text while it is written, `openai` takes whole sentences.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
from livekit import rtc
from livekit.agents import tts
from livekit.plugins import elevenlabs, nvidia, openai


def plugin(name: str, address: str, session: aiohttp.ClientSession) -> tts.TTS:
    """One of three; an agent has a session already and needs to pass none."""
    url = f"http://{address}/v1"
    if name == "openai":
        return openai.TTS(base_url=url, api_key="none")  # this is the line
    if name == "elevenlabs":
        return elevenlabs.TTS(base_url=url, api_key="none", http_session=session)  # or this
    return nvidia.TTS(server=address, use_ssl=False)  # or this


async def speak(name: str, address: str, text: str) -> rtc.AudioFrame:
    """`text` as one frame of audio, fed word by word, as a language model would write it."""
    async with aiohttp.ClientSession() as session:
        voice = plugin(name, address, session)
        try:
            if not voice.capabilities.streaming:
                return await voice.synthesize(text).collect()
            async with voice.stream() as stream:
                for word in text.split(" "):
                    stream.push_text(word + " ")
                stream.end_input()
                return rtc.combine_audio_frames([event.frame async for event in stream])
        finally:
            await voice.aclose()


if __name__ == "__main__":
    name, address, text, path = sys.argv[1:]
    audio = asyncio.run(speak(name, address, text))
    Path(path).write_bytes(audio.to_wav_bytes())
    print(f"{path}: {audio.duration:.2f} s")
