"""Audio at the pace at which it is played, in frames of 20 ms, for what feeds a telephone line."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from math import inf
from typing import TypeVar

from aiohttp import web

from dlpo_serving.audio_stream import EncodedChunk
from dlpo_serving.encodings.formats import SAMPLE_BYTES, AudioFormat
from dlpo_serving.errors import FieldViolation, RequestError, wrong_value
from dlpo_serving.synthesis.timing import MarkTiming, WordTiming

T = TypeVar("T")
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
        raise wrong_value("pace", pace, PACE)
    return pace == PACE


async def paced(
    chunks: AsyncIterator[EncodedChunk],
    format: AudioFormat,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[EncodedChunk]:
    """The same audio in frames, each when it is due; the last one may be shorter.

    Playback begins with the first frame, and again after a gap. Offsets count the samples sent,
    which resampling delays.

    Raises:
        RequestError: bytes of this encoding can't be cut by time.
    """
    if (size := SAMPLE_BYTES.get(format.encoding)) is None:
        known = ", ".join(SAMPLE_BYTES)
        raise RequestError(FieldViolation("pace", f"{PACE} needs samples; expected {known}"))
    samples = format.sample_rate_hz // FRAMES_PER_S
    held = b""
    sent = 0  # samples
    sentence = 0
    words: deque[WordTiming] = deque()
    marks: deque[MarkTiming] = deque()

    def piece(audio: bytes, until: float = inf, flushes: int = 0) -> EncodedChunk:
        """The next bytes, with the words and marks before sample `until`."""
        begun = tuple(_taken(words, lambda word: word.start < until))
        reached = tuple(_taken(marks, lambda mark: mark.sample < until))
        length = len(audio) // size
        return EncodedChunk(audio, sent, sentence, length, begun, reached, flushes=flushes)

    played_s = clock()
    async for chunk in chunks:
        held += chunk.audio
        sentence = chunk.sentence
        words += chunk.words
        marks += chunk.marks
        while len(held) >= samples * size:
            frame, held = held[: samples * size], held[samples * size :]
            played_s = max(played_s, clock())
            if (ahead_s := played_s - clock() - LEAD_S) > 0:
                await sleep(ahead_s)
            yield piece(frame, sent + samples)
            sent, played_s = sent + samples, played_s + samples / format.sample_rate_hz
        if chunk.flushes:
            yield piece(b"", flushes=chunk.flushes)
    if held or words or marks:
        yield piece(held)


def _taken(waiting: deque[T], is_due: Callable[[T], bool]) -> Iterator[T]:
    while waiting and is_due(waiting[0]):
        yield waiting.popleft()
