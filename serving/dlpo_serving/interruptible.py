"""Waiting for a caller of gRPC in a way that can be given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def interruptible(operation: Awaitable[T]) -> T:
    """Await one of grpc.aio's operations; a cancellation is felt at once.

    grpc.aio's own `write` puts a cancellation off until the message is on its way (seen with
    1.85.1), which a caller who leaves its flow-control window shut does not let happen, ever. Here
    the operation is left behind; it ends with the connection.
    """
    task = asyncio.ensure_future(operation)
    task.add_done_callback(_note_end)
    return await asyncio.shield(task)


def _note_end(task: asyncio.Future[T]) -> None:
    """Its error is nobody's any more; asyncio would complain that nobody has seen it."""
    if not task.cancelled():
        task.exception()
