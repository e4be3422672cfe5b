"""Well-behaved listeners: what they hear must never change, nor stop in the middle."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import grpc

from dlpo.errors import EngineError
from dlpo_bench.load.calls import AudioDevice, TestedServer, TimedCall
from dlpo_bench.load.endpoints import OWN_CONNECTION, DlpoEndpoint, stream_request
from dlpo_bench.machine import stolen_s

ATTACK_S = 4.0  # duration of each kind of attack
CALL_S = 60.0  # within which an honest call must be answered
GAP_S = 0.02  # a listener's device buffers this much: shorter waits are no gap
PAUSE_S = 0.2  # of a listener between calls
ALONE = 3  # times each text is spoken before the chaos, for its reference bits
SEED = 7
TEXTS = (
    "The committee met again on the following morning to hear the remaining witnesses.",
    "He had seen the letter, but could not remember who had written it to him. " * 3,
    "In 1987 she moved to a house with 3 rooms near the harbor, and nobody was surprised.",
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """The ports of the server that is attacked, and the clients' keys."""

    address: str
    http_port: int
    honest: str
    hostile: str


@dataclass(slots=True)
class Results:
    """Calls of the honest listeners."""

    endings: Counter[str] = field(default_factory=Counter)
    attack: str = ""
    """the attack under way"""
    gaps_s: list[tuple[str, float, float]] = field(default_factory=list)
    """the attack during which a gap ended, its seconds, those stolen since the last audio"""
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
                gap = (self._results.attack, at_s - self.ends_s, taken_s - self._stolen_s)
                self._results.gaps_s.append(gap)
        self._received_s = at_s
        self._stolen_s = taken_s
        super().receive(at_s, audio_s)


async def alone(target: Target, text: str) -> str:
    """Hash of a text's audio, which must be the same every time."""
    hashes = {(await call_once(target, text, Results()))[1] for _ in range(ALONE)}
    if len(hashes) != 1:
        raise EngineError(f"audio of {text[:40]!r} differs between two runs on an idle server")
    return hashes.pop()


async def listen(
    target: Target, references: dict[str, str], results: Results, done: asyncio.Event,
    random: Random,
) -> None:  # fmt: skip
    """Make one call after the other until `done`, and count how each ended."""
    while not done.is_set():
        text = random.choice(TEXTS)
        call, sha256 = await call_once(target, text, results)
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


async def call_once(target: Target, text: str, results: Results) -> tuple[TimedCall, str]:
    """Synthesize a text over a fresh connection; returns the call and the hash of its audio."""
    sha256 = hashlib.sha256()
    async with grpc.aio.insecure_channel(target.address, OWN_CONNECTION) as channel:
        server = TestedServer("target", "dlpo", target.address, 0)
        endpoint = DlpoEndpoint(server, [channel], target.honest)
        call = TimedCall(time.perf_counter(), device=GapDevice(results), on_audio=sha256.update)
        request = stream_request(text, SEED)
        await endpoint.stream(request, call, timeout=CALL_S, wait_for_ready=True)
    return call, sha256.hexdigest()
