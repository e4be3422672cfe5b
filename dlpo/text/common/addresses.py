"""Addresses: the pattern of files, and the parts that are said of any."""

from __future__ import annotations

import re

_SAID = re.compile(r"(?:https?://)?([^/?#]*(?:/[^/?#]{0,30}(?![^/?#])){0,4})")
PARTS = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")
"""runs of letters and of digits, and signs"""


def files(endings: str) -> str:
    """The pattern of paths and names of files; ``endings``: as alternatives."""
    return (
        rf"(?<![\w/.$£€¥])(?:[A-Za-z]:\\(?:[\w\\. -]{{0,200}}?\.(?:{endings})\b"
        r"|(?:[\w. -]{1,40}\\){0,12}[\w.-]{0,60}\w)"
        r"|(?:~|\.{1,2})?/\.?\w(?:[\w.-]{0,59}\w)?(?:/[\w.-]{0,59}\w){0,12}"
        rf"|[\w-]{{1,60}}\.(?:{endings})\b)"
    )


def said_part(written: str) -> str:
    """An address without its scheme and query, and with four parts of its path at most."""
    found = _SAID.match(written)
    return (found[1] if found else written).rstrip("/")
