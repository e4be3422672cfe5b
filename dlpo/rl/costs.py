"""What a run has spent its time on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dlpo.rl.rewards.reward import Clock


class Costs:
    """Seconds by name, added up over a run and its resumptions.

    Args:
        clock: what they are measured with.
    """

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self.seconds: dict[str, float] = {}

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add what was measured elsewhere, such as `Judged.seconds`."""
        for name, spent in seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + spent

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Measure the block."""
        began = self.clock()
        try:
            yield
        finally:
            self.add({name: self.clock() - began})

    def since(self, before: Mapping[str, float]) -> dict[str, float]:
        """Seconds by name since a copy of `seconds` was taken, of what took any."""
        return {
            name: spent - before.get(name, 0.0)
            for name, spent in self.seconds.items()
            if spent > before.get(name, 0.0)
        }
