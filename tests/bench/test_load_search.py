"""The search for the largest load that passes."""

from __future__ import annotations

import asyncio

import pytest

from dlpo_bench.load.search import largest_passing


def search(limit: int, start: int, most: int, resolution: float = 0.0) -> tuple[int, list[int]]:
    """What is found where `limit` is the largest level that passes, and what was tried."""
    tried: list[int] = []

    async def passes(level: int) -> bool:
        tried.append(level)
        return level <= limit

    return asyncio.run(largest_passing(passes, start, most, resolution)), tried


@pytest.mark.parametrize("start", [1, 8, 100])
def test_the_largest_passing_level_is_found(start: int) -> None:
    for limit in range(71):
        found, tried = search(limit, start, most=70)

        assert found == limit
        assert all(1 <= level <= 70 for level in tried)
        assert len(tried) == len(set(tried)) < 16


def test_the_search_ends_within_the_resolution() -> None:
    for limit in range(1, 200):
        found, tried = search(limit, start=8, most=256, resolution=0.1)

        assert found <= limit <= found + max(1, round(0.1 * found))
        assert found in tried
