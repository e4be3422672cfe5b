"""LiveKit's own plugins: whole texts, text in pieces, timed words, and an interruption.

    python livekit_interruption.py PLUGIN HOST:PORT TEXT AUDIO

Writes the audio of `synthesize` as WAV, and prints in JSON the words of `stream` with their times.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
from livekit.agents import tts
from livekit.plugins import cartesia, deepgram, elevenlabs


def plugin(name: str, address: str, session: aiohttp.ClientSession) -> tts.TTS:
    url = f"http://{address}"
    if name == "cartesia":
        return cartesia.TTS(base_url=url, api_key="none", voice="lj", http_session=session)
    if name == "dlpo":
        from livekit.plugins import dlpo  # a package of ours, where it is installed

        return dlpo.TTS(url=url, http_session=session)
    if name == "deepgram":
        return deepgram.TTS(base_url=f"{url}/v1/speak", api_key="none", http_session=session)
    assert name == "elevenlabs", name
    return elevenlabs.TTS(
        base_url=f"{url}/v1",
        api_key="none",
        http_session=session,
        preferred_alignment="original",
    )


async def words(voice: tts.TTS, text: str) -> list[tuple[str, float]]:
    """The timed words of a text that comes word by word."""
    found = []
    async with voice.stream() as stream:
        for word in text.split(" "):
            stream.push_text(word + " ")
        stream.end_input()
        async for event in stream:
            for one in event.frame.userdata.get("lk.timed_transcripts", []):
                found.append((str(one), one.start_time))
    return found


async def interrupted(voice: tts.TTS, text: str) -> None:
    """Leaves at the first audio; the plugin's connection must do for what comes after."""
    async with voice.stream() as stream:
        stream.push_text(f"{text} " * 20)
        stream.end_input()
        async for _ in stream:
            break


async def check(name: str, address: str, text: str, path: str) -> None:
    async with aiohttp.ClientSession() as session:
        voice = plugin(name, address, session)
        try:
            whole = await voice.synthesize(text).collect()
            Path(path).write_bytes(whole.to_wav_bytes())
            await interrupted(voice, text)
            print(json.dumps(await words(voice, text)))
        finally:
            await voice.aclose()


if __name__ == "__main__":
    asyncio.run(check(*sys.argv[1:]))
