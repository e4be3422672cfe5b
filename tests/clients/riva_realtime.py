"""NVIDIA's realtime client speaks a text: ADDRESS TEXT OUT, raw samples at 22,050 Hz."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path

from riva.client.realtime import RealtimeClientTTS


async def main(address: str, text: str, out: str) -> None:
    client = RealtimeClientTTS(
        Namespace(
            server=address, endpoint="/v1/realtime", query_params="intent=synthesize",
            use_ssl=False, language_code="en-US", voice="", sample_rate_hz=22_050,
            encoding="LINEAR_PCM",
        )
    )  # fmt: skip

    async def written() -> AsyncIterator[str | None]:
        yield text
        yield None

    await client.connect()
    heard: list[bytes] = []
    await asyncio.gather(client.send_text(written()), client.receive_audio(heard))
    await client.disconnect()
    Path(out).write_bytes(b"".join(heard))
    print(client.error_occurred, len(client.list_voices()["en-US"]["voices"]))


asyncio.run(main(*sys.argv[1:]))
