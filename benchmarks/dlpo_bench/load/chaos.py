"""Well-behaved listeners under a seeded mixture of hostile clients and operator changes.

    dlpo bench stream chaos --minutes 5 --record

Hostile clients run in a process of their own, one kind after the other; the operator's changes and
the honest listeners run in this one. A round is every kind once, in random order, and ends
without calls, to read the server's memory, threads and files. docs/load.md explains the figures.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
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
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import grpc

from dlpo.bundle import MANIFEST, Bundle, copy_bundle
from dlpo.bundle.voice_json import SEAL, seal
from dlpo.errors import EngineError
from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_bench.load.calls import (
    OWN_CONNECTION,
    AudioDevice,
    DlpoEndpoint,
    TestedServer,
    TimedCall,
    stream_request,
)
from dlpo_bench.load.floods import hoard, post, reset_streams, tiny_messages
from dlpo_bench.load.servers import server_arguments
from dlpo_bench.machine import memory_growth, resident_mb, stolen_s
from dlpo_bench.options import LoadOptions
from dlpo_bench.record import Measured
from dlpo_serving.local.local_server import local_server
from dlpo_serving.operations.keys import new_key
from dlpo_serving.protocols.riva.proto import riva_tts_pb2 as riva
from dlpo_serving.voices import find_voice

LISTENERS = 2
MISCHIEF_S = 4.0  # duration of each kind
QUIET_S = 5.0  # without calls, at the end of each round
REST_S = 30.0  # without calls, at the end: gRPC ends its extra threads after 20 s
STOP_S = (2.0, 22.0)  # how long the process is stopped: usually, and in the second round
HOSTILE_NICE = 10  # hostile clients have their own machines; "stolen processor" is another kind
GAP_S = 0.02  # a listener's device buffers this much: shorter waits are no gap
CALL_S = 60.0  # within which an honest call must be answered
PAUSE_S = 0.2  # of a listener between calls
ALONE = 3  # times each text is spoken before the chaos, for its reference bits
SEED = 7
TEXTS = (
    "The committee met again on the following morning to hear the remaining witnesses.",
    "He had seen the letter, but could not remember who had written it to him. " * 3,
    "In 1987 she moved to a house with 3 rooms near the harbor, and nobody was surprised.",
)
LONG = "Noise becomes speech, step by step, and nobody knows how it was done. " * 100
HOST = "127.0.0.1"
SPEECH = b"/dlpo.v1.SpeechService/StreamSynthesize"
RESETS_PER_S = 5_000.0
NO_TEXT = b"Bearer dlpo-" + b"\xff" * 90  # a header that is not UTF-8
BURST = 40  # callers at the same moment
FLOOD_BYTES = 1_000_000
LOOP = b"\x3a\x08\x0a\x06\x22\x04Loop"  # an ONNX file of one operator, which may run without end
DELETED_S = 20.0  # within which a deleted key must end
RIVA = "nvidia.riva.tts.RivaSpeechSynthesis"
METHODS = (
    "/dlpo.v1.SpeechService/StreamSynthesize",
    "/dlpo.v1.SpeechService/IncrementalSynthesize",
    "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)

TextPiece = speech_pb2.IncrementalSynthesizeRequest
Texts = list[queue.SimpleQueue[TextPiece | None]]

_log = logging.getLogger(__name__)
HOSTILE = (  # methods of `Attacker`
    "greedy", "empty", "flushes", "unread", "vanishing", "malformed", "cancelled", "impatient",
    "tiny", "crowd", "worst", "messages", "resets", "metadata", "hoard", "burst",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Victim:
    """The server's ports and the clients' keys."""

    address: str
    http_port: int
    honest: str
    hostile: str


@dataclass(slots=True)
class Results:
    """Calls of the honest listeners."""

    endings: Counter[str] = field(default_factory=Counter)
    mischief: str = ""
    """the mischief under way"""
    gaps_s: list[tuple[str, float, float]] = field(default_factory=list)
    """the mischief during which a gap ended, its seconds, those stolen since the last audio"""
    first_audio_s: list[float] = field(default_factory=list)
    stopped: list[tuple[float, float]] = field(default_factory=list)
    """intervals in which the server's process was stopped"""
    deleted_s: list[float] = field(default_factory=list)
    """from the deletion of a key to its first refusal"""
    resumed_s: list[float] = field(default_factory=list)
    """from the end of a stop that drained a listener's buffer to its next audio"""

    def running_s(self, begin_s: float, end_s: float) -> float:
        """The part of an interval in which the server was not stopped."""
        overlaps = (min(end_s, b) - max(begin_s, a) for a, b in self.stopped)
        return end_s - begin_s - sum(overlap for overlap in overlaps if overlap > 0)


class GapDevice(AudioDevice):
    """Records gaps; those that overlap a stop of the server count from the end of the stop."""

    def __init__(self, results: Results) -> None:
        super().__init__()
        self._results = results
        self._received_s = 0.0
        self._stolen_s = 0.0

    def receive(self, at_s: float, audio_s: float) -> None:
        taken_s = stolen_s()
        if self.begins_s is not None and at_s > self.ends_s:
            stops_s = [end_s for _, end_s in self._results.stopped if end_s > self._received_s]
            if stops_s:
                self._results.resumed_s.append(at_s - stops_s[-1])
            elif at_s - self.ends_s > GAP_S:
                gap = (self._results.mischief, at_s - self.ends_s, taken_s - self._stolen_s)
                self._results.gaps_s.append(gap)
        self._received_s = at_s
        self._stolen_s = taken_s
        super().receive(at_s, audio_s)


async def measure_chaos(options: LoadOptions) -> Measured:
    """Attack one of our servers for `options.minutes`; a round is always finished.

    Returns:
        For the honest listeners: calls, refusals, gaps (excluding time in which the server was
        stopped), calls whose bits differ from the reference, calls that ended otherwise. For the
        server: memory, threads and open files before the first round and after the last, without
        calls; `memory_growth` over the ends of the rounds after the first tenth of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        voices, keys = Path(folder) / "voices", Path(folder) / "keys.toml"
        voices.mkdir()
        tokens = [new_key(keys, caller) for caller in ("honest", "hostile")]
        arguments = (
            "--http-port", "0", "--voice-directory", str(voices), "--voice-poll-s", "0.5",
            "--keys-file", str(keys), "--log-level", "error",
        )  # fmt: skip
        with local_server(options.voice, *server_arguments(options), *arguments) as server:
            http_port = int(server.page_url.rpartition(":")[2])
            victim = Victim(server.address, http_port, *tokens)
            operator = Operator(
                server.process.pid, voices, keys, find_voice(options.voice), server.page_url
            )
            with _hostile_process(victim, options.seed) as hostile:
                measured = await _reign(victim, operator, hostile, options)
            if (code := server.process.poll()) is not None:
                raise EngineError(f"the server ended with exit code {code} amid the chaos")
    return measured


async def _reign(
    victim: Victim, operator: Operator, hostile: Connection, options: LoadOptions
) -> Measured:
    random, results = Random(options.seed), Results()
    references = {text: await _alone(victim, text) for text in TEXTS}
    choices = [Random(number) for number in range(LISTENERS)]
    begin_s = time.perf_counter()
    begin = operator.holds()
    held = list[dict[str, float]]()
    while not held or time.perf_counter() - begin_s < 60 * options.minutes:
        names, done = [*HOSTILE, *OPERATOR], asyncio.Event()
        random.shuffle(names)
        async with asyncio.TaskGroup() as listeners:
            for choice in choices:
                listeners.create_task(_listen(victim, references, results, done, choice))
            for name in names:
                _log.info("round %d: %s", len(held) + 1, name)
                results.mischief = name
                if name in HOSTILE:
                    hostile.send(name)
                    await asyncio.to_thread(hostile.recv)
                else:
                    stop_s = STOP_S[len(held) == 1]
                    await asyncio.to_thread(OPERATOR[name], operator, results, stop_s)
            results.mischief = "none"
            done.set()
        await asyncio.sleep(QUIET_S)
        held.append(operator.holds())
        _log.info("round %d: %s %s %s", len(held), dict(results.endings), results.gaps_s, held[-1])
    minutes = (time.perf_counter() - begin_s) / 60
    await asyncio.sleep(REST_S)
    end, warm = operator.holds(), [one["resident_mb"] for one in held[len(held) // 10 :]]
    endings, total = results.endings, results.endings.total()
    figures = {
        "minutes": minutes,
        "rounds": len(held),
        "honest_calls": total,
        "refused": endings["refused"],
        "wrong_bits": endings["wrong bits"],
        "unanswered": total - endings["ok"] - endings["refused"] - endings["wrong bits"],
        "gaps": len(results.gaps_s),
        "gaps_not_stolen": sum(gap_s - taken_s > GAP_S for _, gap_s, taken_s in results.gaps_s),
        "longest_gap_s": max((gap_s for _, gap_s, _ in results.gaps_s), default=0.0),
        "longest_deleted_s": max(results.deleted_s, default=0.0),
        "longest_resume_s": max(results.resumed_s, default=0.0),
        "first_audio_ms_p50": 1000 * median(results.first_audio_s),
        "memory_growth": memory_growth(list(enumerate(warm))),
        **{f"{name}_begin": value for name, value in begin.items()},
        **{f"{name}_end": value for name, value in end.items()},
    }
    samples = {
        "endings": dict(endings), "gaps_s": results.gaps_s, "held": held,
        "stopped_s": [end - begin for begin, end in results.stopped],
    }  # fmt: skip
    return Measured(figures, samples)


async def _alone(victim: Victim, text: str) -> str:
    """Hash of a text's audio, which must be the same every time."""
    hashes = {(await _call(victim, text, Results()))[1] for _ in range(ALONE)}
    if len(hashes) != 1:
        raise EngineError(f"audio of {text[:40]!r} differs between two runs on an idle server")
    return hashes.pop()


async def _listen(
    victim: Victim, references: dict[str, str], results: Results, done: asyncio.Event,
    random: Random,
) -> None:  # fmt: skip
    while not done.is_set():
        text = random.choice(TEXTS)
        call, sha256 = await _call(victim, text, results)
        if call.refused and call.retry_after_s is not None:
            results.endings["refused"] += 1
        elif call.failed:
            results.endings[call.ending[:100]] += 1
            _log.warning("an honest call ended: %s", call.ending)
        else:
            results.endings["ok" if sha256 == references[text] else "wrong bits"] += 1
            begins_s = call.device.begins_s or call.sent_s
            results.first_audio_s.append(results.running_s(call.sent_s, begins_s))
        await asyncio.sleep(call.retry_after_s or PAUSE_S)


async def _call(victim: Victim, text: str, results: Results) -> tuple[TimedCall, str]:
    """Synthesize a text over a fresh connection; returns the call and the hash of its audio."""
    sha256 = hashlib.sha256()
    async with grpc.aio.insecure_channel(victim.address, OWN_CONNECTION) as channel:
        server = TestedServer("victim", "dlpo", victim.address, 0)
        endpoint = DlpoEndpoint(server, [channel], victim.honest)
        call = TimedCall(time.perf_counter(), device=GapDevice(results), on_audio=sha256.update)
        request = stream_request(text, SEED)
        await endpoint.stream(request, call, timeout=CALL_S, wait_for_ready=True)
    return call, sha256.hexdigest()


class Operator:
    """Changes the server's files and its process while it serves."""

    def __init__(self, pid: int, voices: Path, keys: Path, bundle: Path, url: str) -> None:
        self._pid = pid
        self._voices = voices
        self._keys = keys
        self._list = f"{url.rstrip('/')}/v1/voices"
        self._bundle = Bundle.load(bundle)

    def holds(self) -> dict[str, float]:
        """Memory in MB, threads and open files of the server's process."""
        return {
            "resident_mb": resident_mb(self._pid),
            "threads": len(os.listdir(f"/proc/{self._pid}/task")),
            "files": len(os.listdir(f"/proc/{self._pid}/fd")),
        }

    def swap_voices(self, results: Results, stop_s: float) -> None:
        """A voice is added and removed, then one that is damaged and one with an endless graph."""
        made = self._voices / ".new"
        copy_bundle(self._bundle, made)
        manifest = self._bundle.manifest.named("visitor")
        (made / MANIFEST).write_bytes(manifest.to_json())
        made.rename(self._voices / "visitor")
        self._lay_endless()
        (self._voices / "broken.dlpo").write_bytes(b"PK\x03\x04 no zip")
        time.sleep(MISCHIEF_S)
        shutil.rmtree(self._voices / "visitor")
        shutil.rmtree(self._voices / "endless")
        (self._voices / "broken.dlpo").unlink()

    def _lay_endless(self) -> None:
        made = self._voices / ".endless"
        copy_bundle(self._bundle, made)
        values = json.loads((made / MANIFEST).read_bytes())
        del values[SEAL]
        for name in values["graphs"]["encoder"]["files"].values():
            (made / name).write_bytes(LOOP)
            sha256 = hashlib.sha256(LOOP).hexdigest()
            values["files"][name] = {"sha256": sha256, "bytes": len(LOOP)}
        (made / MANIFEST).write_bytes(seal(values))
        made.rename(self._voices / "endless")

    def _status(self, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        try:
            request = urllib.request.Request(self._list, headers=headers)
            with urllib.request.urlopen(request, timeout=CALL_S) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def delete_key(self, results: Results, stop_s: float) -> None:
        """A key is added, used and deleted; the file's mode is wrong for a while, too."""
        content = self._keys.read_bytes()
        token = new_key(self._keys, "visitor")
        end_s = time.monotonic() + DELETED_S
        while self._status(token) != 200 and time.monotonic() < end_s:
            time.sleep(0.1)
        self._keys.write_bytes(content)
        self._keys.chmod(0o666)
        time.sleep(MISCHIEF_S / 4)
        self._keys.chmod(0o600)
        begin_s = time.monotonic()
        while self._status(token) != 401 and time.monotonic() < begin_s + DELETED_S:
            time.sleep(0.1)
        results.deleted_s.append(time.monotonic() - begin_s)

    def rotate_keys(self, results: Results, stop_s: float) -> None:
        """A key is added, then a line is malformed, then the file is restored."""
        content = self._keys.read_text("utf-8")
        for changed in (content + '\n[[key]]\ncaller = "x"\nsha256 = "0"\n', content):
            new = self._keys.with_suffix(".new")
            new.write_text(changed, "utf-8")
            new.chmod(0o600)
            new.replace(self._keys)
            time.sleep(MISCHIEF_S / 2)

    def stop_process(self, results: Results, stop_s: float) -> None:
        """Stop the process, as happens on a suspended machine."""
        begin_s = time.perf_counter()
        os.kill(self._pid, signal.SIGSTOP)
        time.sleep(stop_s)
        os.kill(self._pid, signal.SIGCONT)
        results.stopped.append((begin_s, time.perf_counter()))

    def steal_processor(self, results: Results, stop_s: float) -> None:
        """Another process takes one core."""
        thief = multiprocessing.get_context("spawn").Process(target=_spin, args=(MISCHIEF_S,))
        thief.start()
        thief.join()


OPERATOR: dict[str, Callable[[Operator, Results, float], None]] = {
    "swapped voices": Operator.swap_voices,
    "rotated keys": Operator.rotate_keys,
    "deleted key": Operator.delete_key,
    "stopped process": Operator.stop_process,
    "stolen processor": Operator.steal_processor,
}


def _spin(seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        pass


@contextmanager
def _hostile_process(victim: Victim, seed: int) -> Iterator[Connection]:
    """A process that plays each kind of `HOSTILE` it is sent, and answers when done."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_obey, args=(theirs, victim, seed), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def _obey(orders: Connection, victim: Victim, seed: int) -> None:
    os.nice(HOSTILE_NICE)
    random = Random(seed)
    while True:
        name = orders.recv()
        # Whatever the server does to hostile clients is right as long as others don't notice.
        with suppress(grpc.RpcError, OSError, ValueError), Attacker(victim, random) as attacker:
            getattr(attacker, name)()
        orders.send(None)


class Attacker:
    """A connection of its own; calls still open at the end are cut."""

    def __init__(self, victim: Victim, random: Random) -> None:
        self.victim = victim
        self.random = random
        self._metadata = (("authorization", f"Bearer {victim.hostile}"),)

    def __enter__(self) -> Attacker:
        self.channel = grpc.insecure_channel(self.victim.address, OWN_CONNECTION)
        self.stub = speech_pb2_grpc.SpeechServiceStub(self.channel)
        return self

    def __exit__(self, *error: object) -> None:
        self.channel.close()

    def begin(self, text: str = LONG, **options: Any) -> Any:
        request = speech_pb2.StreamSynthesizeRequest(text=text)
        return self.stub.StreamSynthesize(request, metadata=self._metadata, **options)

    def http(self) -> socket.socket:
        """A connection to the HTTP port."""
        return socket.create_connection((HOST, self.victim.http_port), 5)

    @contextmanager
    def conversations(self, count: int) -> Iterator[Texts]:
        """Open calls in one connection, each with a config but no text yet; texts can be added."""
        texts: Texts = [queue.SimpleQueue() for _ in range(count)]
        calls = []
        for text in texts:
            text.put(TextPiece(config=speech_pb2.SynthesisConfig()))
            pieces = iter(text.get, None)
            calls.append(self.stub.IncrementalSynthesize(pieces, metadata=self._metadata))
        threads = [threading.Thread(target=drain, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        yield texts
        for text, call in zip(texts, calls, strict=True):
            text.put(None)
            call.cancel()
        for thread in threads:
            thread.join()

    def greedy(self) -> None:
        """Conversations that receive their long texts all at once."""
        with self.conversations(60) as texts:
            time.sleep(0.5)
            for text in texts:
                text.put(TextPiece(text=LONG))
            time.sleep(MISCHIEF_S)

    def empty(self) -> None:
        """Conversations without text."""
        with self.conversations(500):
            time.sleep(MISCHIEF_S)

    def flushes(self) -> None:
        """A conversation of nothing but flushes."""
        with self.conversations(1) as texts:
            for _ in range(3000):
                texts[0].put(TextPiece(flush=speech_pb2.Flush()))
            time.sleep(MISCHIEF_S)

    def unread(self) -> None:
        """Streams that are never read."""
        calls = [self.begin() for _ in range(30)]
        time.sleep(MISCHIEF_S)
        for call in calls:
            call.cancel()

    def vanishing(self) -> None:
        """Connections that are closed after the first message, of gRPC and of HTTP."""
        for _ in range(10):
            with Attacker(self.victim, self.random) as other, suppress(grpc.RpcError):
                next(iter(other.begin()))
            body = b'{"input": "%s", "stream_format": "sse"}' % LONG[:2000].encode()
            head = (
                f"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
                "Content-Type: application/json\r\n"
                f"Authorization: Bearer {self.victim.hostile}\r\n\r\n"
            )
            with self.http() as connection:
                connection.sendall(head.encode() + body)
                connection.recv(1000)
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def malformed(self) -> None:
        """Bytes that are no messages, and no HTTP."""
        for number in range(200):
            call: Any = self.channel.stream_stream(METHODS[number % len(METHODS)])
            garbage = iter([self.random.randbytes(50)])
            drain(call(garbage, timeout=1.0, metadata=self._metadata))
        for _ in range(50):
            with self.http() as connection:
                connection.sendall(self.random.randbytes(500) + b"\r\n\r\n")

    def cancelled(self) -> None:
        """A thousand calls cancelled as soon as they start."""
        for _ in range(20):
            for call in [self.begin() for _ in range(50)]:
                call.cancel()

    def impatient(self) -> None:
        """Calls with deadlines that can't be met."""
        for _ in range(50):
            drain(self.begin(timeout=self.random.choice([0.001, 0.005, 0.02])))

    def tiny(self) -> None:
        """Many small requests, one after the other."""
        end_s = time.monotonic() + MISCHIEF_S
        while time.monotonic() < end_s:
            drain(self.begin("No."))

    @property
    def places(self) -> list[tuple[str, int]]:
        """Of gRPC and of HTTP."""
        port = int(self.victim.address.rpartition(":")[2])
        return [(HOST, port), (HOST, self.victim.http_port)]

    def worst(self) -> None:
        """The most expensive request of each entry point."""
        digits, marks = "lj*" + "1" * 240_000 + "x", "a  " + "\u0301\u0323" * 240_000
        words = {f"w{number}": "F IH1 SH" for number in range(10_000)}
        largest = ",".join(f"w{number}  fɪʃ" for number in range(1000))
        call: Any = self.channel.unary_unary(f"/{RIVA}/Synthesize")
        for _ in range(5):
            post(self.places[1], self.victim.hostile, input="Hi.", voice=digits)
            post(self.places[1], self.victim.hostile, input="Hi.", dictionary=words)
            for dictionary in (marks, largest):
                request = riva.SynthesizeSpeechRequest(text="Hi.", custom_dictionary=dictionary)
                with suppress(grpc.RpcError):
                    call(request.SerializeToString(), CALL_S, self._metadata)

    def messages(self) -> None:
        """Small WebSocket messages: no JSON, keep-alives, flushes."""
        begin, flush = json.dumps({"type": "begin"}), json.dumps({"type": "flush"})
        for path, first, message in (
            ("/v1/realtime", [], "x"),
            ("/v1/text-to-speech/lj/multi-stream-input", [], "{}"),
            ("/v1/audio/speech/stream", [begin], flush),
        ):
            token = self.victim.hostile
            tiny_messages(self.places[1], path, token, first, message, FLOOD_BYTES)

    def resets(self) -> None:
        """Streams that are reset at once."""
        reset_streams(self.places[0], SPEECH, MISCHIEF_S, RESETS_PER_S)

    def metadata(self) -> None:
        """Calls whose header is not UTF-8."""
        reset_streams(self.places[0], SPEECH, MISCHIEF_S, RESETS_PER_S, NO_TEXT)

    def hoard(self) -> None:
        """More connections than one address may hold, half of them with an unread reply."""
        hoard(self.places[1], 700, MISCHIEF_S)

    def burst(self) -> None:
        """Many callers at the same moment."""
        calls = [self.begin("Noise becomes speech.") for _ in range(BURST)]
        for call in calls:
            drain(call)

    def crowd(self) -> None:
        """Silent connections, and some that send a header byte by byte."""
        grpc_port = int(self.victim.address.rpartition(":")[2])
        with ExitStack() as stack:
            idle = [
                stack.enter_context(socket.create_connection((HOST, port), 5))
                for _ in range(500)
                for port in (grpc_port, self.victim.http_port)
            ]
            for byte in b"GET /v1/models HTTP/1.1\r\nX:"[: int(4 * MISCHIEF_S)]:
                for connection in idle[1:200:2]:
                    connection.send(bytes((byte,)))
                time.sleep(0.25)


def drain(call: Any) -> None:
    """Read a call to its end, however it ends."""
    with suppress(grpc.RpcError):
        for _ in call:
            pass
