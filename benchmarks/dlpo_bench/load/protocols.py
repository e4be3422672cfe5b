"""What each of the server's APIs adds to the time to first audio of the same voice in process."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from http.client import HTTPConnection
from itertools import cycle, islice
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp

from dlpo.errors import EngineError
from dlpo_bench.load.calls import Endpoint, TestedServer, TimedCall, open_endpoint
from dlpo_bench.load.servers import server_arguments
from dlpo_bench.load.texts import SENTENCES
from dlpo_bench.machine import percentile
from dlpo_bench.options import LoadOptions
from dlpo_bench.record import Measured
from dlpo_bench.statistics import rotated
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.local.local_server import local_server
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice
from dlpo_serving.voices.synthesizer import Synthesizer

IN_PROCESS = "in process"
WARM_UP = 3  # turns that don't count
DETAIL = 200  # characters of what came in place of audio
AUDIO = ("audio", "data", "delta")  # what holds it in a JSON message

Call = Callable[[str, int], Awaitable[float]]
"""a text and a seed -> seconds to first audio; returns when all of it has come"""
Written = Callable[[str], Sequence[Mapping[str, Any]]]
"""a text -> the messages that bring it"""


async def measure_protocols(options: LoadOptions) -> Measured:
    """Speak each text in process and over every protocol, in turns that begin with another each.

    The client is in this process, so a protocol's figure includes what Python's http.client, grpc
    or (WebSockets) aiohttp take to send, to wake up and to read; `an empty reply` is a round trip
    without any speech. Audio is asked for as samples at the voice's rate. A WebSocket is open
    before its text is sent.

    Returns:
        For each the median time to first audio, and the median of its difference from the
        same text in process; the samples are all times.

    Raises:
        EngineError: the server did not start, or a protocol gave no audio.
    """
    engine = cast(EngineName, options.engine)
    voice = open_voice(options.voice, engine, cast(EnginePrecision | None, options.precision))
    times: dict[str, list[float]] = {}
    with local_server(options.voice, *server_arguments(options), "--http-port", "0") as own:
        async with _calls(own.address, own.page_url, voice) as calls:
            turns = islice(cycle(SENTENCES), WARM_UP + options.calls)
            for turn, text in enumerate(turns):
                for name in rotated(list(calls), turn):
                    first_s = await calls[name](text, turn)
                    if turn >= WARM_UP:
                        times.setdefault(name, []).append(1000 * first_s)
    base = times[IN_PROCESS]
    figures: dict[str, Any] = {}
    for name in calls:
        over = [first - alone for first, alone in zip(times[name], base, strict=True)]
        figures[f"{name}, ms"] = percentile(times[name], 50)
        if name != IN_PROCESS:
            figures[f"{name}, over in process, ms"] = percentile(over, 50)
    return Measured({"calls": options.calls, **figures}, {"first_audio_ms": times})


@asynccontextmanager
async def _calls(address: str, url: str, voice: Synthesizer) -> AsyncIterator[dict[str, Call]]:
    rate_hz, name = voice.manifest.sample_rate_hz, voice.manifest.voice
    raw = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": rate_hz}
    cartesia = {"voice": {"id": name}, "output_format": raw}
    socket = url.replace("http", "ws", 1)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        connection = stack.enter_context(closing(HTTPConnection(urlsplit(url).netloc)))

        async def rpc(protocol: str) -> Call:
            server = TestedServer(protocol, protocol, address, rate_hz)
            endpoint = await stack.enter_async_context(open_endpoint(server))
            return partial(_called, endpoint)

        def post(path: str, text: str = "text", **fields: Any) -> Call:
            return partial(_posted, connection, path, text, fields)

        def pieces(path: str, written: Written) -> Call:
            return partial(_over_socket, session, socket + path, written)

        pcm = {"response_format": "pcm", "sample_rate": rate_hz}
        eleven = f"/v1/text-to-speech/{name}"
        yield {
            IN_PROCESS: partial(_alone, voice),
            "an empty reply": partial(_empty, connection),
            "gRPC": await rpc("dlpo"),
            "Riva": await rpc("riva"),
            "OpenAI": post("/v1/audio/speech", "input", **pcm),
            "ElevenLabs": post(f"{eleven}/stream?output_format=pcm_{rate_hz}"),
            "Cartesia": post("/tts/bytes", "transcript", **cartesia),
            "Deepgram": post(f"/v1/speak?encoding=linear16&container=none&sample_rate={rate_hz}"),
            "Kokoro-FastAPI": post("/dev/captioned_speech", "input", **pcm),
            "WebSocket": pieces(
                "/v1/audio/speech/stream",
                lambda text: [{"type": "begin", "input": text, **pcm}, {"type": "end"}],
            ),
            "ElevenLabs, WebSocket": pieces(
                f"{eleven}/stream-input?output_format=pcm_{rate_hz}",
                lambda text: [{"text": text}, {"text": ""}],
            ),
            "Cartesia, WebSocket": pieces(
                "/tts/websocket", lambda text: [{**cartesia, "context_id": "a", "transcript": text}]
            ),
            "Deepgram, WebSocket": pieces(
                f"/v1/speak?encoding=linear16&sample_rate={rate_hz}",
                lambda text: [
                    {"type": "Speak", "text": text},
                    {"type": "Flush"},
                    {"type": "Close"},
                ],
            ),
        }


async def _alone(voice: Synthesizer, text: str, seed: int) -> float:
    start_s, first_s = time.perf_counter(), 0.0
    for _ in voice.stream(voice.read(SpeechRequest(text, seed=seed))):
        first_s = first_s or time.perf_counter() - start_s
    return first_s


async def _empty(connection: HTTPConnection, text: str, seed: int) -> float:
    start_s = time.perf_counter()
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    return time.perf_counter() - start_s


async def _called(endpoint: Endpoint, text: str, seed: int) -> float:
    call = TimedCall(time.perf_counter(), len(text))
    await endpoint.speak(text, seed, call)
    if call.first_audio_s is None:
        raise EngineError(f"a call on an idle server ended with {call.ending}; see its log")
    return call.first_audio_s


async def _posted(
    connection: HTTPConnection, path: str, name: str, fields: Mapping[str, Any], text: str,
    seed: int,
) -> float:  # fmt: skip
    body, start_s = json.dumps({**fields, name: text, "seed": seed}), time.perf_counter()
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    begun = reply.read1()
    first_s = time.perf_counter() - start_s
    rest = reply.read()
    if reply.status != 200:
        raise EngineError(f"{path}: HTTP {reply.status} {(begun + rest)[:DETAIL]!r}")
    return first_s


async def _over_socket(
    session: aiohttp.ClientSession, url: str, written: Written, text: str, seed: int
) -> float:
    event: Any = {}
    async with session.ws_connect(url) as socket:
        start_s, first_s = time.perf_counter(), 0.0
        for message in written(text):
            await socket.send_json(message)
        async for received in socket:
            held = received.data
            if received.type is aiohttp.WSMsgType.TEXT:
                event = json.loads(held)
                held = any(event.get(one) for one in AUDIO)
            if held and not first_s:
                first_s = time.perf_counter() - start_s
            if event.get("done") or event.get("isFinal"):
                break
    if not first_s:
        raise EngineError(f"{url} sent no audio, only {str(event)[:DETAIL]}")
    return first_s
