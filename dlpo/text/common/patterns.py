"""Pieces of regular expressions, expressions compiled late, and what is kept of a text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, TypeVar, cast

_Cached = TypeVar("_Cached", bound=Callable[..., Any])
_CACHES: list[Callable[[], None]] = []


def late(pattern: str) -> re.Pattern[str]:
    """A pattern that is compiled at its first use, so that it costs a start nothing."""
    return cast("re.Pattern[str]", _Late(pattern))


class _Late:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def __getattr__(self, name: str) -> object:
        """A method of the compiled pattern; it is found at once from then on."""
        found = getattr(self._compiled, name)
        setattr(self, name, found)
        return found


def while_reading(size: int) -> Callable[[_Cached], _Cached]:
    """Keeps the last results of a function of a text until `forget`: no text outlives its call."""

    def kept(function: _Cached) -> _Cached:
        cached = lru_cache(maxsize=size)(function)
        _CACHES.append(cached.cache_clear)
        return cast("_Cached", cached)

    return kept


def forget() -> None:
    """Keeps nothing of the texts that were read, of any thread."""
    for clear in _CACHES:
        clear()
