"""The contestants of a run, with our own server where no other was named; all are warm."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dlpo.errors import EngineError, InputError
from dlpo_bench.latency import WARM_UP_CALLS
from dlpo_bench.load.loaded_server import server_arguments
from dlpo_bench.load.options import LoadOptions
from dlpo_bench.stream.contestants import RATES_HZ, Contestant, parse_against
from dlpo_bench.stream.doors import check_door
from dlpo_serving.local_server import LocalServer, local_server

_PAGE = re.compile(r"the page is at (http://\S+?)/?\s*$")


@dataclass(frozen=True, slots=True)
class Field:
    """Who is measured."""

    contestants: list[Contestant]
    server: LocalServer | None
    """that this run started"""

    def check_alive(self) -> None:
        """Raises EngineError if the server that this run started has ended."""
        if self.server and (code := self.server.process.poll()) is not None:
            raise EngineError(f"the server ended with exit code {code}; its message is above")


@asynccontextmanager
async def field_of(options: LoadOptions) -> AsyncIterator[Field]:
    """The servers of `options.against`, or one that runs until the block ends.

    Raises:
        InputError: one does not answer, or not with speech.
        EngineError: ours did not start.
    """
    if options.against:
        field = Field([parse_against(text) for text in options.against], None)
        if twice := len(field.contestants) - len({one.name for one in field.contestants}):
            raise InputError(f"--against names {twice} server twice; name each once")
        await _warm(field)
        yield field
        return
    arguments = [*server_arguments(options), "--http-port", "0"]
    with local_server(options.voice, *arguments) as server:
        assert server.process.stdout is not None  # it is a pipe
        page = _PAGE.search(server.process.stdout.readline())
        if not page:
            raise EngineError("the server did not say where its page is; was HTTP turned off?")
        url = page[1]
        contestants = [
            Contestant(
                name=protocol,
                protocol=protocol,
                address=f"{url}/v1" if protocol == "openai" else server.address,
                rate_hz=RATES_HZ[protocol],
                pid=server.process.pid,
                metrics_url=f"{url}/metrics",
            )
            for protocol in options.protocols
        ]
        field = Field(contestants, server)
        await _warm(field)
        yield field


async def _warm(field: Field) -> None:
    for contestant in field.contestants:
        for _ in range(WARM_UP_CALLS):
            await check_door(contestant)
