"""Where the time of a run went."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class StageTimer:
    """Seconds by stage, summed over a run and its resumptions."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add earlier seconds, such as those before a resumption."""
        for name, spent in seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + spent

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add({name: time.perf_counter() - began})

    def since(self, before: Mapping[str, float]) -> dict[str, float]:
        """Seconds of the stages that ran since `before`, an earlier copy of `seconds`."""
        return {
            name: spent - before.get(name, 0.0)
            for name, spent in self.seconds.items()
            if spent > before.get(name, 0.0)
        }
