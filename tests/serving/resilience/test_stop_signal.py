"""A server hears that it is to stop, whatever else its event loop has to do."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from dlpo.operating_system import call_on_stop

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def own_handlers() -> Iterator[None]:
    """Puts the process's handlers back."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_handlers")
@pytest.mark.parametrize("number", SIGNALS)
def test_no_crowd_of_callbacks_drowns_a_signal(number: signal.Signals) -> None:
    async def busy() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        call_on_stop(stop.set)
        for _ in range(5_000):
            loop.call_soon_threadsafe(int)
        signal.raise_signal(number)
        await asyncio.wait_for(stop.wait(), 10)

    asyncio.run(busy())


@pytest.mark.usefixtures("own_handlers")
def test_after_the_end_a_signal_does_what_it_did_before() -> None:
    heard: list[int] = []

    async def brief() -> None:
        call_on_stop(lambda: None)

    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    asyncio.run(brief())
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]
