"""Client processes: each has its own interpreter, event loop and connections."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import time
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from dlpo.errors import DlpoError, EngineError
from dlpo_bench.stream.callers import DRAIN_S, play_share
from dlpo_bench.stream.contestants import Contestant
from dlpo_bench.stream.doors import CONNECT_S, open_door
from dlpo_bench.stream.shares import Level, Share, ShareResult, shares

START_S = 60.0  # for the processes to import what they need
END_S = 1.0  # for them to end by themselves
SOON_S = 0.25  # until the word to begin has reached every process


class Clients:
    """Client processes that play levels; use it in a `with` statement."""

    def __init__(self, processes: int, connections: int) -> None:
        """`connections`: of all processes together; each has one at least."""
        # Not forked: gRPC's threads don't survive that.
        context = multiprocessing.get_context("spawn")
        each = max(1, connections // processes)
        self._ends: list[Connection] = []
        self._processes = []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=client_process, args=(theirs, each), daemon=True)
            self._ends.append(ours)
            self._processes.append(process)
            process.start()
            theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for end in self._ends:
            end.close()  # which ends the process, unless it is in the middle of something
        for process in self._processes:
            process.join(0 if error else END_S)
            if process.is_alive():
                process.terminate()
                process.join()

    async def play(self, contestant: Contestant, level: Level) -> tuple[list[ShareResult], float]:
        """Load a server, and wait until the calls have ended.

        Returns:
            What the processes saw, and since when of `time.perf_counter` calls count.

        Raises:
            InputError, EngineError: a client could not connect, or died.
        """
        working = list(zip(self._ends, shares(level, len(self._ends)), strict=False))
        for end, share in working:
            end.send((contestant, share))
        for end, _ in working:
            await self._hear(end, START_S + CONNECT_S)
        start_s = time.perf_counter() + SOON_S
        for end, _ in working:
            end.send(start_s)
        patience_s = level.ramp_s + level.level_s + DRAIN_S + CONNECT_S
        found = [await self._hear(end, patience_s) for end, _ in working]
        results = [result for result in found if isinstance(result, ShareResult)]
        return results, start_s + level.counts_from_s

    async def _hear(self, end: Connection, patience_s: float) -> object:
        try:
            if not await asyncio.to_thread(end.poll, patience_s):
                raise EngineError(f"a client process has said nothing for {patience_s:.0f} s")
            answer = end.recv()
        except (EOFError, OSError) as error:
            raise EngineError("a client process died; its message is above") from error
        if isinstance(answer, DlpoError):
            raise answer
        return answer


def client_process(end: Connection, connections: int) -> None:
    """Play shares as they come through `end`, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this
    asyncio.run(_client(end, connections))


async def _client(end: Connection, connections: int) -> None:
    while True:
        try:
            contestant, share = await asyncio.to_thread(end.recv)
        except (EOFError, OSError):
            return
        try:
            end.send(await _play(end, contestant, share, connections))
        except DlpoError as error:
            end.send(error)


async def _play(
    end: Connection, contestant: Contestant, share: Share, connections: int
) -> ShareResult:
    async with open_door(contestant, connections) as door:
        end.send("connected")
        start_s = await asyncio.to_thread(end.recv)
        return await play_share(door, share, start_s)
