"""Regular expressions of what few texts have, compiled when the first of these comes."""

from __future__ import annotations

import re
from functools import cached_property
from typing import cast


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
