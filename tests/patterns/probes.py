"""Texts that drive a regular expression to as many steps as they can: a part of it, repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _compiler, _parser  # type: ignore[attr-defined]
from re import _constants as c  # type: ignore[attr-defined]
from typing import Any

Node = tuple[Any, Any]
"""operator and argument, as `re`'s parser writes them"""

CHARACTERS = "aA1 .,-_/'\n(<[\"&#x:;é\0"
PUMPS = ("a", "A", "1", " ", ".", "-", "\n", "1,", "a.", "A.", "1 ", "a ", "a-", "1/", "[a", "``")
ENDS = ("", "\0", "!x")
MOST_PROBES = 60


def probes(pattern: re.Pattern[str], size: int) -> list[str]:
    """Texts of about `size` characters that repeat something, made for this pattern."""
    parsed = list(_parser.parse(pattern.pattern, pattern.flags))
    repeated = [
        *_repeats(parsed, pattern.flags, ""),
        ("", _sample(parsed[:1], pattern.flags) + "a"),  # begun over and over
        *(("", one) for one in PUMPS),
    ]
    found = dict.fromkeys((*one, end) for one in repeated for end in ENDS if one[1])
    return [
        before + pump * (size // len(pump) + 1) + end
        for before, pump, end in list(found)[:MOST_PROBES]
    ]


def largest_bound(pattern: re.Pattern[str]) -> int:
    """The largest finite bound of a repeat in the pattern."""

    def bounds(nodes: Any) -> Iterator[int]:
        for operator, argument in nodes:
            repeats = operator in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT)
            if repeats and argument[1] != c.MAXREPEAT:
                yield argument[1]
            for inner in _inside((operator, argument)):
                yield from bounds(inner)

    return max(bounds(_parser.parse(pattern.pattern, pattern.flags)), default=0)


def _inside(node: Node) -> list[Any]:
    operator, argument = node
    match operator:
        case c.SUBPATTERN:
            return [argument[3]]
        case c.BRANCH:
            return list(argument[1])
        case c.MAX_REPEAT | c.MIN_REPEAT | c.POSSESSIVE_REPEAT:
            return [argument[2]]
        case c.ATOMIC_GROUP:
            return [argument]
    return []


def _repeats(nodes: Any, flags: int, before: str) -> Iterator[tuple[str, str]]:
    """For each repeat: a text that leads to it, and texts that its body matches."""
    for node in nodes:
        operator, argument = node
        if operator in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT) and argument[1] > 8:
            for variant in range(3):
                yield before, _sample(argument[2], flags, variant)
        for inner in _inside(node):
            yield from _repeats(inner, flags, before)
        before += _sample([node], flags)


def _sample(nodes: Any, flags: int, variant: int = 0) -> str:
    """A text that these nodes match, apart from what they ask of their surroundings."""
    text = ""
    for operator, argument in nodes:
        match operator:
            case c.LITERAL:
                text += chr(argument)
            case c.NOT_LITERAL | c.ANY | c.IN:
                fits = _compiled((operator, argument), flags).fullmatch
                every = list(filter(fits, CHARACTERS))
                if operator is c.IN and not every:
                    every = [chr(_first(argument))]
                text += every[min(variant, len(every) - 1)]
            case c.BRANCH:
                text += _sample(argument[1][variant % len(argument[1])], flags, variant)
            case c.SUBPATTERN:
                text += _sample(argument[3], flags, variant)
            case c.ATOMIC_GROUP:
                text += _sample(argument, flags, variant)
            case c.MAX_REPEAT | c.MIN_REPEAT | c.POSSESSIVE_REPEAT:
                text += _sample(argument[2], flags, variant) * max(argument[0], 1)
    return text


def _compiled(node: Node, flags: int) -> re.Pattern[str]:
    """A node of a parsed pattern as a pattern of its own."""
    parsed = _parser.parse("", flags)
    parsed.append(node)
    compiled: re.Pattern[str] = _compiler.compile(parsed, flags)
    return compiled


def _first(members: Any) -> int:
    """A code point of a set of literals and ranges."""
    operator, argument = members[-1]
    return int(argument[0] if operator is c.RANGE else argument)
