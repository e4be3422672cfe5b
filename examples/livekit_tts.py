"""LiveKit Agents speaks through dlpo: its NVIDIA plugin, with nothing changed but the address.

    pip install livekit-plugins-nvidia         # in an environment of its own
    dlpo serve &
    python examples/livekit_tts.py 127.0.0.1:50051 "Every agent has a voice." agent.wav

In an agent of yours it is the one line marked below, as the `tts` of its `AgentSession`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from livekit import rtc
from livekit.plugins import nvidia


async def speak(address: str, text: str) -> rtc.AudioFrame:
    """`text` as one frame of audio, fed word by word, as a language model would write it."""
    tts = nvidia.TTS(server=address, use_ssl=False)  # this is the line
    async with tts.stream() as stream:
        for word in text.split(" "):
            stream.push_text(word + " ")
        stream.end_input()
        frames = [event.frame async for event in stream]
    return rtc.combine_audio_frames(frames)


if __name__ == "__main__":
    address, text, path = sys.argv[1:]
    audio = asyncio.run(speak(address, text))
    Path(path).write_bytes(audio.to_wav_bytes())
    print(f"{path}: {audio.duration:.2f} s")
