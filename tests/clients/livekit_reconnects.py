"""One object of livekit-plugins-dlpo speaks to a server, and to the next one at its address.

    python livekit_reconnects.py URL TEXT

Speaks after each line of standard input, and prints the seconds of audio.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
from livekit.plugins import dlpo


async def main(url: str, text: str) -> None:
    async with aiohttp.ClientSession() as session:
        voice = dlpo.TTS(url=url, http_session=session)
        while await asyncio.to_thread(sys.stdin.readline):
            spoken_s = 0.0
            async with voice.stream() as stream:
                stream.push_text(text)
                stream.end_input()
                async for event in stream:
                    spoken_s += event.frame.duration
            print(spoken_s, flush=True)
        await voice.aclose()


asyncio.run(main(*sys.argv[1:]))
