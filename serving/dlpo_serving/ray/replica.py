"""A replica: the same server as `dlpo serve`, in a process of Ray, called by Serve's proxies.

It listens on a port of its own machine, and what Serve brings is sent there as it came. So a call
meets what it would meet without Ray: tokens, quotas, admission, traces, the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc

from dlpo_serving.endpoints import Endpoints
from dlpo_serving.operations.logs import configure_logs
from dlpo_serving.ray.answer import Answered, Asked
from dlpo_serving.server import run_server
from dlpo_serving.settings.server_settings import ServerSettings

CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),  # whatever the environment says: it is the same process
    ("grpc.max_receive_message_length", -1),
)
NOT_ITS_OWN = ("application", "user-agent")  # metadata: Serve's route, and grpc sets its own


class Replica:
    """What Serve deploys. A proxy calls the attribute that has the name of the gRPC method."""

    async def __init__(self, settings: ServerSettings) -> None:  # type: ignore[misc]  # Serve awaits it
        """
        Args:
            settings: of the server inside.

        Raises:
            as `run_server` does.
        """
        configure_logs(settings.log_format, settings.log_level)
        ready: asyncio.Future[tuple[Endpoints, str]] = asyncio.get_running_loop().create_future()

        def announce(doors: Endpoints, voice: str) -> None:
            ready.set_result((doors, voice))

        self._stop = asyncio.Event()
        self._server = asyncio.create_task(run_server(settings, self._stop, announce))
        await asyncio.wait((self._server, ready), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            self._server.result()
        doors, self._voice = ready.result()
        self._channel = grpc.aio.insecure_channel(doors.grpc_address, CHANNEL_OPTIONS)

    async def __del__(self) -> None:
        """Serve awaits it once, after the last call."""
        self._stop.set()
        await asyncio.wait((self._server,))

    def check_health(self) -> None:
        """Raises what the server has ended with; Serve puts another replica in its place."""
        if self._server.done():
            self._server.result()

    def voice(self) -> str:
        """Name of the default voice when the server began."""
        return self._voice

    async def _whole(self, asked: Asked, grpc_context: Any) -> AsyncIterator[Answered]:
        """A method with one request."""

        async def requests() -> AsyncIterator[bytes]:
            yield asked.data

        async for answer in self._relay(asked, requests(), grpc_context):
            yield answer

    async def _pieces(
        self, asked: AsyncIterator[Asked], grpc_context: Any
    ) -> AsyncIterator[Answered]:
        """A method whose requests come while it is answered."""
        first = await anext(asked)

        async def requests() -> AsyncIterator[bytes]:
            yield first.data
            async for further in asked:
                yield further.data

        async for answer in self._relay(first, requests(), grpc_context):
            yield answer

    async def _relay(
        self, first: Asked, requests: AsyncIterator[bytes], context: Any
    ) -> AsyncIterator[Answered]:
        metadata = tuple(
            (key, value) for key, value in context.invocation_metadata() if key not in NOT_ITS_OWN
        )
        method: Any = self._channel.stream_stream(first.method)
        call = method(requests, timeout=first.timeout_s, metadata=metadata)
        try:
            with suppress(grpc.aio.AioRpcError):  # the status has it too
                async for message in call:
                    yield Answered(message)
            context.set_code(await call.code())
            context.set_details(await call.details())
            context.set_trailing_metadata([tuple(pair) for pair in await call.trailing_metadata()])
            yield Answered(None)
        finally:
            call.cancel()  # where the caller has gone

    Check = ListVoices = Synthesize = StreamSynthesize = GetRivaSynthesisConfig = _whole
    IncrementalSynthesize = SynthesizeOnline = _pieces
