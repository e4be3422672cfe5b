"""Honest listeners while a seeded mixture of hostile callers and operator's changes goes on.

Hostile callers run in a process of their own, one kind after the other; the operator's changes and
the honest listeners in this one. A round is every kind of mischief once, in random order, and ends
with a quiet moment in which the server's memory, threads and files are read.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import multiprocessing
import os
import queue
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import grpc

from dlpo.bundle import MANIFEST, Bundle, copy_bundle
from dlpo.errors import EngineError
from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_bench.load.calls import OWN_CONNECTION, Playback, grpc_retry_after_s
from dlpo_bench.load.options import LoadOptions
from dlpo_bench.load.servers import server_arguments
from dlpo_bench.machine import memory_growth, resident_mb
from dlpo_bench.record import Measured
from dlpo_serving.local.local_server import local_server
from dlpo_serving.operations.keys import new_key
from dlpo_serving.voices import find_voice

MINUTES = 5.0  # where no length is given
LISTENERS = 2
MISCHIEF_S = 4.0  # that each kind lasts
QUIET_S = 3.0  # at the end of a round
STOP_S = (2.0, 22.0)  # of the process: usually, and in the second round
GAP_S = 0.02  # what a listener's device holds back: shorter waits are no gap
CALL_S = 60.0  # in which an honest call must be answered
PAUSE_S = 0.2  # of a listener between two calls
ALONE = 3  # times that each text is spoken before the chaos, for its bits
TEXTS = (
    "The committee met again on the following morning to hear the remaining witnesses.",
    "He had seen the letter, but could not remember who had written it to him. " * 3,
    "In 1987 she moved to a house with 3 rooms near the harbor, and nobody was surprised.",
)
LONG = "Noise becomes speech, step by step, and nobody knows how it was done. " * 100
HOST = "127.0.0.1"
METHODS = (
    "/dlpo.v1.SpeechService/StreamSynthesize",
    "/dlpo.v1.SpeechService/IncrementalSynthesize",
    "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)

Piece = speech_pb2.IncrementalSynthesizeRequest
Request = speech_pb2.StreamSynthesizeRequest

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is, and with which keys it is called."""

    grpc_port: int
    http_port: int
    honest: str
    hostile: str

    def metadata(self, token: str) -> tuple[tuple[str, str]]:
        return (("authorization", f"Bearer {token}"),)


@dataclass(slots=True)
class Hearing:
    """What honest listeners got."""

    endings: Counter[str] = field(default_factory=Counter)
    gaps_s: list[float] = field(default_factory=list)
    first_audio_s: list[float] = field(default_factory=list)
    stopped: list[tuple[float, float]] = field(default_factory=list)
    """from when to when the process of the server was stopped"""

    def running_s(self, begin_s: float, end_s: float) -> float:
        """The part of an interval in which the server was not stopped."""
        overlaps = (min(end_s, b) - max(begin_s, a) for a, b in self.stopped)
        return end_s - begin_s - sum(overlap for overlap in overlaps if overlap > 0)


async def measure_chaos(options: LoadOptions) -> Measured:
    """Let chaos reign for `options.minutes`.

    Returns:
        Of the honest listeners: calls, refusals, gaps (the time in which the server was stopped is
        none), calls with other bits than alone, calls that ended otherwise. Of the server: memory,
        threads and files at the end of the first and of the last round.
    """
    random, minutes = Random(options.seed), options.minutes or MINUTES
    with tempfile.TemporaryDirectory() as folder:
        voices, keys = Path(folder) / "voices", Path(folder) / "keys.toml"
        voices.mkdir()
        tokens = [new_key(keys, caller) for caller in ("honest", "hostile")]
        http_port = _free_port()
        arguments = [
            "--http-port", str(http_port), "--voice-directory", str(voices),
            "--voice-poll-s", "0.5", "--keys-file", str(keys), "--log-level", "error",
        ]  # fmt: skip
        with local_server(options.voice, *server_arguments(options), *arguments) as server:
            place = Place(int(server.address.rpartition(":")[2]), http_port, *tokens)
            operator = Operator(server.process.pid, voices, keys, find_voice(options.voice))
            with _hostile_process(place, options.seed) as hostile:
                figures, samples = await _reign(place, operator, hostile, random, minutes)
            if (code := server.process.poll()) is not None:
                raise EngineError(f"the server ended with exit code {code} amid the chaos")
    return Measured(figures, samples)


async def _reign(
    place: Place, operator: Operator, hostile: Connection, random: Random, minutes: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    hearing, done = Hearing(), asyncio.Event()
    references = {text: await _alone(place, text) for text in TEXTS}
    listeners = [
        asyncio.create_task(_listen_on(place, references, hearing, done, Random(number)))
        for number in range(LISTENERS)
    ]
    begin_s, rounds, readings = time.monotonic(), 0, []
    mischief: Counter[str] = Counter()
    while not rounds or time.monotonic() - begin_s < 60 * minutes:
        names = [*HOSTILE, *OPERATOR]
        random.shuffle(names)
        for name in names:
            _log.info("round %d: %s", rounds + 1, name)
            mischief[name] += 1
            if name in HOSTILE:
                hostile.send(name)
                await asyncio.to_thread(hostile.recv)
            else:
                stop_s = STOP_S[rounds == 1]
                await asyncio.to_thread(OPERATOR[name], operator, hearing, stop_s)
        await asyncio.sleep(QUIET_S)
        rounds += 1
        readings.append((rounds, operator.holds()))
        _log.info("round %d: %s, %s", rounds, dict(hearing.endings), readings[-1][1])
    done.set()
    await asyncio.gather(*listeners)
    first, last = readings[0][1], readings[-1][1]
    endings = hearing.endings
    figures = {
        "minutes": (time.monotonic() - begin_s) / 60,
        "rounds": rounds,
        "honest_calls": endings.total(),
        "refused": endings["refused"],
        "wrong_bits": endings["wrong bits"],
        "unanswered": endings.total() - endings["ok"] - endings["refused"] - endings["wrong bits"],
        "gaps": len(hearing.gaps_s),
        "longest_gap_s": max(hearing.gaps_s, default=0.0),
        "first_audio_ms_p50": 1000 * median(hearing.first_audio_s),
        "memory_growth": memory_growth([(at, held["resident_mb"]) for at, held in readings]),
        **{f"{name}_begin": value for name, value in first.items()},
        **{f"{name}_end": value for name, value in last.items()},
    }
    samples = {
        "endings": dict(endings),
        "gaps_s": hearing.gaps_s,
        "held": [held for _, held in readings],
        "mischief": dict(mischief),
        "stopped_s": [end - begin for begin, end in hearing.stopped],
    }
    return figures, samples


# Honest listeners.


async def _alone(place: Place, text: str) -> str:
    """Hash of a text's audio, the same each time."""
    hashes = {await _hear(place, text, Hearing()) for _ in range(ALONE)}
    if len(hashes) != 1:
        raise EngineError(f"{text[:40]!r} does not sound the same twice, with nobody else there")
    return hashes.pop()


async def _listen_on(
    place: Place,
    references: dict[str, str],
    hearing: Hearing,
    done: asyncio.Event,
    random: Random,
) -> None:
    while not done.is_set():
        text = random.choice(TEXTS)
        pause_s = PAUSE_S
        try:
            same = await _hear(place, text, hearing) == references[text]
            hearing.endings["ok" if same else "wrong bits"] += 1
        except grpc.aio.AioRpcError as error:
            retry_s = grpc_retry_after_s(error)
            if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and retry_s is not None:
                hearing.endings["refused"] += 1
                pause_s = retry_s
            else:
                hearing.endings[f"{error.code().name}: {error.details()}"[:100]] += 1
                _log.warning("an honest call ended: %s %s", error.code().name, error.details())
        await asyncio.sleep(pause_s)


async def _hear(place: Place, text: str, hearing: Hearing) -> str:
    """Listen to the end, at the pace of a connection of its own; the hash of the audio."""
    sha256, playback, begin_s = hashlib.sha256(), Playback(), time.monotonic()
    async with grpc.aio.insecure_channel(f"{HOST}:{place.grpc_port}", OWN_CONNECTION) as channel:
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        request = Request(text=text, config=speech_pb2.SynthesisConfig(seed=7))
        rate_hz = 0
        metadata = place.metadata(place.honest)
        async for part in stub.StreamSynthesize(request, timeout=CALL_S, metadata=metadata):
            rate_hz = part.info.format.sample_rate_hz or rate_hz
            if not part.audio.audio:
                continue
            now_s = time.monotonic()
            if playback.begins_s is None:
                hearing.first_audio_s.append(hearing.running_s(begin_s, now_s))
            elif now_s > playback.ends_s:
                gap_s = hearing.running_s(playback.ends_s, now_s)
                if gap_s > GAP_S:
                    hearing.gaps_s.append(gap_s)
            playback.receive(now_s, len(part.audio.audio) / 2 / rate_hz)
            sha256.update(part.audio.audio)
    return sha256.hexdigest()


# The operator, and the machine.


class Operator:
    """Changes what the server is given while it serves."""

    def __init__(self, pid: int, voices: Path, keys: Path, bundle: Path) -> None:
        self._pid, self._voices, self._keys = pid, voices, keys
        self._bundle = Bundle.load(bundle)

    def holds(self) -> dict[str, float]:
        """What the server's process holds now."""
        return {
            "resident_mb": resident_mb(self._pid),
            "threads": len(os.listdir(f"/proc/{self._pid}/task")),
            "files": len(os.listdir(f"/proc/{self._pid}/fd")),
        }

    def swap_voices(self, hearing: Hearing, stop_s: float) -> None:
        """Another voice comes, and goes; and one that can't be used."""
        made = self._voices / ".new"
        copy_bundle(self._bundle, made)
        manifest = replace(self._bundle.manifest, voice="visitor")
        (made / MANIFEST).write_bytes(manifest.to_json())
        made.rename(self._voices / "visitor")
        (self._voices / "broken.dlpo").write_bytes(b"PK\x03\x04 no zip")
        time.sleep(MISCHIEF_S)
        shutil.rmtree(self._voices / "visitor")
        (self._voices / "broken.dlpo").unlink()

    def rotate_keys(self, hearing: Hearing, stop_s: float) -> None:
        """A key comes, then one line is wrong, then all is as before."""
        content = self._keys.read_text("utf-8")
        for changed in (content + '\n[[key]]\ncaller = "x"\nsha256 = "0"\n', content):
            new = self._keys.with_suffix(".new")
            new.write_text(changed, "utf-8")
            new.chmod(0o600)
            new.replace(self._keys)
            time.sleep(MISCHIEF_S / 2)

    def stop_process(self, hearing: Hearing, stop_s: float) -> None:
        """As a suspended machine is stopped."""
        begin_s = time.monotonic()
        os.kill(self._pid, signal.SIGSTOP)
        time.sleep(stop_s)
        os.kill(self._pid, signal.SIGCONT)
        hearing.stopped.append((begin_s, time.monotonic()))

    def steal_processor(self, hearing: Hearing, stop_s: float) -> None:
        """Another process computes on one core."""
        thief = multiprocessing.get_context("spawn").Process(target=_spin, args=(MISCHIEF_S,))
        thief.start()
        thief.join()


OPERATOR: dict[str, Callable[[Operator, Hearing, float], None]] = {
    "swapped voices": Operator.swap_voices,
    "rotated keys": Operator.rotate_keys,
    "stopped process": Operator.stop_process,
    "stolen processor": Operator.steal_processor,
}


def _spin(seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        pass


# Hostile callers, in their process.


@contextmanager
def _hostile_process(place: Place, seed: int) -> Iterator[Connection]:
    """A process that makes the mischief whose name it is sent, and answers when it is done."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_obey, args=(theirs, place, seed), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def _obey(orders: Connection, place: Place, seed: int) -> None:
    random = Random(seed)
    while True:
        name = orders.recv()
        # Whatever the server does to its enemies is right as long as others don't notice.
        with suppress(grpc.RpcError, OSError, ValueError):
            HOSTILE[name](place, random)
        orders.send(None)


@contextmanager
def _calling(place: Place) -> Iterator[speech_pb2_grpc.SpeechServiceStub]:
    """A connection of its own; what is left of its calls is cut at the end."""
    with grpc.insecure_channel(f"{HOST}:{place.grpc_port}", OWN_CONNECTION) as channel:
        yield speech_pb2_grpc.SpeechServiceStub(channel)


@contextmanager
def _conversations(place: Place, count: int) -> Iterator[list[queue.SimpleQueue[Piece | None]]]:
    """Calls in one connection that have a config and no text yet; their texts can be put in."""
    texts: list[queue.SimpleQueue[Piece | None]] = [queue.SimpleQueue() for _ in range(count)]
    metadata = place.metadata(place.hostile)
    with _calling(place) as stub:
        calls = []
        for text in texts:
            text.put(Piece(config=speech_pb2.SynthesisConfig()))
            calls.append(stub.IncrementalSynthesize(iter(text.get, None), metadata=metadata))
        threads = [threading.Thread(target=_drain, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        yield texts
        for text, call in zip(texts, calls, strict=True):
            text.put(None)
            call.cancel()
        for thread in threads:
            thread.join()


def _drain(call: Any) -> None:
    with suppress(grpc.RpcError):
        for _ in call:
            pass


def greedy(place: Place, random: Random) -> None:
    """Conversations whose long texts come at once."""
    with _conversations(place, 60) as texts:
        time.sleep(0.5)
        for text in texts:
            text.put(Piece(text=LONG))
        time.sleep(MISCHIEF_S)


def empty(place: Place, random: Random) -> None:
    """Conversations without text."""
    with _conversations(place, 500):
        time.sleep(MISCHIEF_S)


def flushes(place: Place, random: Random) -> None:
    """A conversation of nothing but flushes."""
    with _conversations(place, 1) as texts:
        for _ in range(3000):
            texts[0].put(Piece(flush=speech_pb2.Flush()))
        time.sleep(MISCHIEF_S)


def unread(place: Place, random: Random) -> None:
    """Streams that nobody reads."""
    metadata = place.metadata(place.hostile)
    with _calling(place) as stub:
        calls = [stub.StreamSynthesize(Request(text=LONG), metadata=metadata) for _ in range(30)]
        time.sleep(MISCHIEF_S)
        for call in calls:
            call.cancel()


def vanish(place: Place, random: Random) -> None:
    """Connections that are closed after the first message, of gRPC and of HTTP."""
    metadata = place.metadata(place.hostile)
    for _ in range(10):
        with _calling(place) as stub, suppress(grpc.RpcError):
            next(iter(stub.StreamSynthesize(Request(text=LONG), metadata=metadata)))
        body = b'{"input": "%s", "stream_format": "sse"}' % LONG[:2000].encode()
        head = (
            f"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: application/json\r\nAuthorization: Bearer {place.hostile}\r\n\r\n"
        )
        connection = socket.create_connection((HOST, place.http_port), 5)
        connection.sendall(head.encode() + body)
        connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def malformed(place: Place, random: Random) -> None:
    """Bytes that are no messages, and no HTTP."""
    metadata = place.metadata(place.hostile)
    with grpc.insecure_channel(f"{HOST}:{place.grpc_port}", OWN_CONNECTION) as channel:
        for number in range(200):
            call: Any = channel.stream_stream(METHODS[number % len(METHODS)])
            _drain(call(iter([random.randbytes(50)]), timeout=1.0, metadata=metadata))
    for _ in range(50):
        with socket.create_connection((HOST, place.http_port), 5) as connection:
            connection.sendall(random.randbytes(500) + b"\r\n\r\n")


def cancelled(place: Place, random: Random) -> None:
    """A thousand calls that are cancelled as soon as they are begun."""
    metadata = place.metadata(place.hostile)
    with _calling(place) as stub:
        for _ in range(20):
            calls = [
                stub.StreamSynthesize(Request(text=LONG), metadata=metadata) for _ in range(50)
            ]
            for call in calls:
                call.cancel()


def impatient(place: Place, random: Random) -> None:
    """Calls with deadlines that can't be kept."""
    metadata = place.metadata(place.hostile)
    with _calling(place) as stub:
        for _ in range(50):
            timeout = random.choice([0.001, 0.005, 0.02])
            _drain(stub.StreamSynthesize(Request(text=LONG), timeout=timeout, metadata=metadata))


def tiny(place: Place, random: Random) -> None:
    """Many small requests, one after the other."""
    metadata = place.metadata(place.hostile)
    end_s = time.monotonic() + MISCHIEF_S
    with _calling(place) as stub:
        while time.monotonic() < end_s:
            _drain(stub.StreamSynthesize(Request(text="No."), metadata=metadata))


def crowd(place: Place, random: Random) -> None:
    """Connections that say nothing, and some that send a header byte by byte."""
    with contextlib.ExitStack() as stack:
        idle = []
        for number in range(1000):
            port = (place.grpc_port, place.http_port)[number % 2]
            idle.append(stack.enter_context(socket.create_connection((HOST, port), 5)))
        for byte in b"GET /v1/models HTTP/1.1\r\nX:"[: int(4 * MISCHIEF_S)]:
            for connection in idle[1:200:2]:
                connection.send(bytes((byte,)))
            time.sleep(0.25)


HOSTILE: dict[str, Callable[[Place, Random], None]] = {
    "greedy": greedy,
    "empty": empty,
    "flushes": flushes,
    "unread": unread,
    "vanishing": vanish,
    "malformed": malformed,
    "cancelled": cancelled,
    "impatient": impatient,
    "tiny": tiny,
    "crowd": crowd,
}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
        return port
