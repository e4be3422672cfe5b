"""How long the pause of a `break` is."""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_BREAK_S = 10.0  # of one
MAX_PAUSES_S = 300.0  # of a document: silence is cheap to ask for
_STRENGTHS = {
    "none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 0.8, "x-strong": 1.2,
}  # fmt: skip
_TIME = re.compile(r"\+?(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})(ms|s)")


def break_seconds(attributes: Mapping[str, str]) -> float:
    """Of ``<break strength= time=>``; the time goes before the strength.

    Raises:
        ValueError: what is wrong, and what was expected.
    """
    strength = attributes.get("strength", "medium")
    if strength not in _STRENGTHS:
        raise ValueError(f"strength={strength!r}; expected {', '.join(_STRENGTHS)}")
    if "time" not in attributes:
        return _STRENGTHS[strength]
    match = _TIME.fullmatch(attributes["time"].strip())
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else -1
    if not 0 <= seconds <= MAX_BREAK_S:
        raise ValueError(
            f"time={attributes['time']!r}; expected at most {MAX_BREAK_S:g}s, such as 0.5s or 250ms"
        )
    return seconds
