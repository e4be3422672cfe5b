"""Pieces of regular expressions, and expressions of what few texts have, compiled late."""

from __future__ import annotations

import re
from functools import cached_property
from typing import cast

ARGUMENT = r"\((?:[a-zA-Z]|\d{1,4}(?:[a-z]|\s?°)?|[^()]{0,12}[+*/^-][^()]{0,12})\)"
"""Of a function: sin(x), log(2), cos(a + b); but not "tan(ned)"."""


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
