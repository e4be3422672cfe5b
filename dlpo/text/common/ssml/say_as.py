"""`say-as` in any language: its kinds, checks and messages; a language brings the functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from dlpo.text.common.language import Token

Kinds = Mapping[str, tuple[Callable[[str, str], list[str]], str]]
"""interpret-as -> a function of content and format, and what it expects, for messages"""
DATE_FORMATS = ("mdy", "dmy", "ymd", "ydm", "md", "dm", "my", "ym", "d", "m", "y")
_DATE_FIELDS = {"d": r"0?[1-9]|[12]\d|3[01]", "m": r"0?[1-9]|1[0-2]", "y": r"\d{4}|\d\d"}
_DURATION = re.compile(r"(?:(\d{1,4})')?(?:(\d{1,4})(?:\"|''))?")


def said_as(kinds: Kinds, kind: str, content: str, format: str) -> list[str]:
    """The words of ``<say-as interpret-as=kind format=format>content</say-as>``.

    They are written as in a `Token`.

    Args:
        kinds: those of the language.
        kind: one of the standard's or the big vendors' values.
        content: readable text (see `Characters`).
        format: of a date, such as ``dmy``; of a time, where it changes nothing.

    Raises:
        ValueError: what is wrong, and what was expected.
    """
    if kind not in kinds:
        raise ValueError(f"interpret-as={kind!r}; expected {', '.join(kinds)}")
    say, expected = kinds[kind]
    content = " ".join(content.split())
    words = say(content, format)
    if not words:
        raise ValueError(f"{kind}: got {content!r}; expected {expected}")
    return words


def date_fields(content: str, format: str) -> dict[str, str]:
    """The day d, month m and year y of a date, as far as its format has them.

    Raises:
        ValueError: there is no such format, or the date doesn't fit it.
    """
    if format not in DATE_FORMATS:
        raise ValueError(f"date: format={format!r}; expected {', '.join(DATE_FORMATS)}")
    fields = r"[\s./-]?".join(f"(?P<{field}>{_DATE_FIELDS[field]})" for field in format)
    match = re.fullmatch(fields, content)
    if match is None:
        raise ValueError(f"date: got {content!r}; expected digits that fit format={format!r}")
    return match.groupdict()


def duration(content: str) -> tuple[str, str] | None:
    """Minutes and seconds of ``1'21"``, "" for what is absent; None for anything else."""
    match = _DURATION.fullmatch(content)
    return (match[1] or "", match[2] or "") if match and content else None


def as_written(content: str, tokens: Iterator[Token]) -> list[str]:
    """The normalizer's words if it reads all of it as one token; empty otherwise."""
    found = list(tokens)
    return list(found[0].words) if len(found) == 1 and found[0].end == len(content) else []
