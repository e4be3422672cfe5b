"""Audio at the pace of playback: when each frame is sent, and that it is the same audio."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from dlpo_serving.audio_stream import EncodedChunk
from dlpo_serving.encodings.formats import AudioFormat, Encoding
from dlpo_serving.errors import RequestError
from dlpo_serving.protocols.http.pacing import LEAD_S, paced
from dlpo_serving.synthesis.timing import MarkTiming
from tests.serving.protocols.http.conftest import Client, RunningServer
from tests.serving.protocols.http.sockets import audio_of, converse

MULAW = AudioFormat(Encoding.MULAW, 8_000)
FRAME = 160  # bytes
TEXT = "Noise becomes speech."
SOCKET = "/v1/audio/speech/stream?pace=20ms"


async def sent(
    chunks: list[tuple[float, EncodedChunk]], format: AudioFormat = MULAW
) -> list[tuple[float, EncodedChunk]]:
    """The frames of chunks that are made at these times, each with the time when it is sent."""
    now_s = 0.0

    async def made() -> AsyncIterator[EncodedChunk]:
        nonlocal now_s
        for at_s, chunk in chunks:
            now_s = max(now_s, at_s)
            yield chunk

    async def sleep(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    return [(now_s, frame) async for frame in paced(made(), format, lambda: now_s, sleep)]


async def test_frames_are_sent_a_lead_before_they_are_played() -> None:
    audio = bytes(range(250)) * 8
    chunk = EncodedChunk(audio, 0, 0, len(audio))
    frames = await sent([(0.0, chunk)])
    assert b"".join(frame.audio for _, frame in frames) == audio
    assert [len(frame.audio) for _, frame in frames] == [FRAME] * 12 + [80]
    assert [frame.sample_offset for _, frame in frames] == [FRAME * n for n in range(13)]
    due = [max(0.02 * n - LEAD_S, 0.0) for n in range(12)]
    assert [at_s for at_s, _ in frames[:-1]] == pytest.approx(due)


async def test_playback_begins_again_after_a_gap() -> None:
    audio = bytes(10 * FRAME)
    first, second = (EncodedChunk(audio, at, 0, len(audio)) for at in (0, len(audio)))
    frames = await sent([(0.0, first), (5.0, second)])
    begun = [at_s for at_s, frame in frames if frame.sample_offset >= len(audio)]
    assert begun == pytest.approx([5.0 + max(0.02 * n - LEAD_S, 0.0) for n in range(10)])


async def test_frames_go_over_chunks_and_keep_marks() -> None:
    marks = tuple(MarkTiming(str(at), at) for at in (0, 170, 399))
    first = EncodedChunk(bytes(100), 0, 0, 100, marks=marks[:1])
    second = EncodedChunk(bytes(300), 100, 0, 300, marks=marks[1:])
    frames = [frame for _, frame in await sent([(0.0, first), (0.0, second)])]
    assert [(len(one.audio), one.sample_offset) for one in frames if one.audio] == [
        (160, 0), (160, 160), (80, 320)
    ]  # fmt: skip
    assert tuple(mark for one in frames for mark in one.marks) == marks
    assert [one.marks for one in frames if one.sample_offset == 160] == [marks[1:2]]


async def test_packets_can_not_be_paced() -> None:
    with pytest.raises(RequestError, match="needs samples"):
        await sent([], AudioFormat(Encoding.MP3, 24_000))


async def test_a_socket_gives_the_same_audio_in_frames(
    server: RunningServer, client: Client
) -> None:
    begin = {"type": "begin", "input": TEXT, "response_format": "mulaw"}
    received = await converse(server, SOCKET, begin, {"type": "end"})
    frames = [one for one in received if isinstance(one, bytes)]
    whole = client.speak(server, input=TEXT, response_format="mulaw").read()
    assert audio_of(received) == whole
    assert {len(frame) for frame in frames[:-1]} == {FRAME}
    events = [one for one in received if isinstance(one, dict)]
    pieces = [one for one in events if one.get("bytes")]
    assert [one["sample_offset"] for one in pieces] == [FRAME * n for n in range(len(frames))]
    assert events[-1]["samples"] == len(whole)
    words = [word["word"] for one in events for word in one.get("words", ())]
    assert words == TEXT[:-1].lower().split()


async def test_another_pace_is_refused(server: RunningServer) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await converse(server, f"{SOCKET}x")
    assert refused.value.status == 400
