"""Audio at the pace at which it is played, in frames of 20 ms, for what feeds a telephone line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from dlpo_serving.audio_stream import EncodedChunk
from dlpo_serving.encodings.formats import SAMPLE_BYTES, AudioFormat
from dlpo_serving.errors import FieldViolation, RequestError, shortened

PACE = "20ms"  # of the query's `pace`
FRAMES_PER_S = 50
LEAD_S = 0.1  # how far ahead of playback frames are sent: what an interruption may lose


def is_paced(request: web.Request) -> bool:
    """Whether a query asks for frames at the pace of playback.

    Raises:
        RequestError: it asks for another pace.
    """
    pace = request.query.get("pace", "")
    if pace not in ("", PACE):
        raise RequestError(FieldViolation("pace", f"is {shortened(repr(pace))}; expected {PACE}"))
    return pace == PACE


async def paced(
    chunks: AsyncIterator[EncodedChunk],
    format: AudioFormat,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[EncodedChunk]:
    """The same audio in frames, each when it is due; the last one may be shorter.

    Playback begins with the first frame, and again after a gap.

    Raises:
        RequestError: bytes of this encoding can't be cut by time.
    """
    if (size := SAMPLE_BYTES.get(format.encoding)) is None:
        known = ", ".join(SAMPLE_BYTES)
        raise RequestError(FieldViolation("pace", f"{PACE} needs samples; expected {known}"))
    samples = format.sample_rate_hz // FRAMES_PER_S
    frame, held = samples * size, b""
    played_s = clock()
    last = EncodedChunk(b"", 0, 0)
    async for chunk in chunks:
        begin = chunk.sample_offset - len(held) // size
        held += chunk.audio
        while len(held) >= frame:
            part, held = held[:frame], held[frame:]
            end = begin + samples
            words = tuple(word for word in chunk.words if word.start < end)
            marks = tuple(mark for mark in chunk.marks if mark.sample < end)
            chunk = replace(chunk, words=chunk.words[len(words) :], marks=chunk.marks[len(marks) :])
            played_s = max(played_s, clock())
            if (ahead_s := played_s - clock() - LEAD_S) > 0:
                await sleep(ahead_s)
            yield EncodedChunk(part, begin, chunk.sentence, samples, words, marks)
            begin, played_s = end, played_s + 1 / FRAMES_PER_S
        last = replace(chunk, audio=held, sample_offset=begin, samples=len(held) // size)
        if last.words or last.marks or last.flushes:
            yield replace(last, audio=b"", samples=0)
            last = replace(last, words=(), marks=(), flushes=0)
    if held:
        yield last
