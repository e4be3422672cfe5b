"""The server that is measured: a process of its own, warm, with its callers connected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

from dlpo.errors import EngineError
from dlpo_bench.latency import WARM_UP_CALLS
from dlpo_bench.load.caller import Caller, stream_request
from dlpo_bench.load.options import LoadOptions
from dlpo_bench.load.texts import utterances
from dlpo_serving.local_server import local_server


@dataclass(frozen=True, slots=True)
class LoadedServer:
    """A running server and its callers."""

    address: str
    """host:port"""
    pid: int
    caller: Caller


@asynccontextmanager
async def loaded_server(
    options: LoadOptions, max_streams: int | None = None
) -> AsyncIterator[LoadedServer]:
    """Run a server until the block ends; its limit of streams is its own if None.

    Raises:
        EngineError: it did not start, or ended by itself; standard error has its reason.
    """
    # Starting and ending it blocks this event loop, in which nothing else runs by then.
    with local_server(options.voice, *server_arguments(options, max_streams)) as server:
        async with Caller(server.address, options.connections) as caller:
            texts = utterances(Random(options.seed))
            for _ in range(WARM_UP_CALLS):
                await caller.listen(stream_request(next(texts)))
            yield LoadedServer(server.address, server.process.pid, caller)
        if (code := server.process.poll()) is not None:
            raise EngineError(
                f"the server ended with exit code {code} while it was measured; its message is"
                " above, and what was measured is worth nothing"
            )


def server_arguments(options: LoadOptions, max_streams: int | None = None) -> list[str]:
    """What the server is told beside its voice."""
    arguments = ["--engine", options.engine]
    if max_streams:
        arguments += ["--max-streams", str(max_streams)]
    if options.precision:
        arguments += ["--precision", options.precision]
    return [*arguments, *options.server_options]
