"""The largest load that still passes, found by doubling and halving."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


async def largest_passing(
    passes: Callable[[int], Awaitable[bool]], start: int, most: int, resolution: float = 0.05
) -> int:
    """The largest level that passes, taking it that none above a failing one does.

    Args:
        passes: tries a level.
        start: level to begin with, at least 1; doubled while it passes.
        most: highest level to try.
        resolution: ends when the lowest failing level is this much above the highest passing one,
            as a share of it, or 1.

    Returns:
        A level that passed, 0 where none did.
    """
    passed, failed = 0, most + 1
    level = min(start, most)
    while failed - passed > max(1, round(resolution * passed)):
        if await passes(level):
            passed = level
        else:
            failed = level
        level = (passed + failed) // 2 if failed <= most else min(2 * passed, most)
    return passed
