"""Patterns of addresses: of mail, of the web, of files; and the parts that are said of one."""

from __future__ import annotations

import re

HOST = r"(?:[A-Za-z0-9-]{1,63}\.){1,8}"
_PATH = r"[/?#:][^\s<>\"]{0,500}[\w/]|/"
_SAID = re.compile(r"(?:https?://)?([^/?#]*(?:/[^/?#]{0,30}(?![^/?#])){0,4})")
_PARTS = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")


def web(top_level: str) -> str:
    """The pattern of web and network addresses; ``top_level``: ends of hosts, as alternatives."""
    return (
        r"(?<![\w@])(?:https?://[^\s<>\"]{1,500}[\w/]"
        rf"|www\.{HOST}[A-Za-z]{{2,24}}(?:{_PATH})?|{HOST}(?:{top_level})(?![\w-])(?:{_PATH})?"
        r"|(?:localhost(?=:)|(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d))(?::\d{1,5})?(?:/[\w./-]{0,99}\w)?)"
    )


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


def parts_of(written: str) -> list[str]:
    """Its runs of letters and of digits, and its signs."""
    return _PARTS.findall(written)
