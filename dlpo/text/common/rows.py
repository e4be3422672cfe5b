"""Rows of tables that say how written forms are read: a pattern, its neighbors and its words.

A table of rows is NAME.tsv in a folder ``rows`` of a language, with the columns

    priority  the lowest is tried first; equals in the order of the tables and their rows
    begins    as in `dlpo.text.common.forms.Forms`
    left      characters that may not be just before the form, as in a class of a regular
              expression; empty: any may
    pattern   a regular expression; ``{name}`` is a fragment that the language names
    before    see `dlpo.text.common.neighbors`
    after     the same
    says      words, see below
    reads     a text that the row must read
    leaves    a text that it must leave

What it says are words, and fields for what a group of the pattern matched: ``{1}`` in lower case,
``{1:cardinal}`` by a verbalizer of the language, ``{1#hour/hours}`` for one and for more. A group
without a match says nothing. ``@name`` is a function of the language, from the match to words or
None if it is something else after all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from dlpo.text.common.forms import Speak
from dlpo.text.common.neighbors import Context, neighbors_after, neighbors_before
from dlpo.text.common.tables import Tables

Verbalizer = Callable[[str], list[str]]
_FIELD = re.compile(r"\{(\w+)(?::(\w+)|#([^/}]*)/([^}]*))?\}")
_FRAGMENT = re.compile(r"\{([A-Za-z]\w*)\}")


@dataclass(frozen=True)
class Vocabulary:
    """What the rows of a language may name."""

    tables: Tables
    fragments: Mapping[str, str]
    """Name -> a piece of a regular expression."""
    verbalizers: Mapping[str, Verbalizer]
    """Name -> a function from what a group matched to words."""
    readers: Mapping[str, Speak]
    """Name -> a function from a match to words, for what words with fields can't say."""


class Row:
    """One row; its pattern and contexts are compiled when they are first needed."""

    def __init__(self, name: str, cells: Sequence[str], vocabulary: Vocabulary) -> None:
        """``name``: where it is, as TABLE:LINE."""
        priority, self.begins, left, pattern, before, after, says, self.reads, self.leaves = cells
        self.name = name
        self.priority = int(priority or 0)
        self.pattern = _FRAGMENT.sub(lambda named: vocabulary.fragments[named[1]], pattern)
        self._left = re.compile(f"[{left}]").match if left else None
        self._before = Context(before, vocabulary.tables, True) if before else None
        self._after = Context(after, vocabulary.tables, False) if after else None
        self._says = says
        self._vocabulary = vocabulary

    def speak(self, match: re.Match[str]) -> list[str] | None:
        """The words of a match of the pattern; None where its neighbors are others."""
        text, start = match.string, match.start()
        if self._left and start and self._left(text, start - 1):
            return None
        if self._before and not self._before.fits(neighbors_before(text, start)):
            return None
        if self._after and not self._after.fits(neighbors_after(text, match.end())):
            return None
        return self._verbalize(match)

    @cached_property
    def _verbalize(self) -> Speak:
        if self._says.startswith("@"):
            return self._vocabulary.readers[self._says[1:]]
        parts = [self._part(word) for word in self._says.split()]
        return lambda match: [word for part in parts for word in part(match)]

    def _part(self, written: str) -> Callable[[re.Match[str]], list[str]]:
        """A function from a match to the words of one part of what is said."""
        field = _FIELD.fullmatch(written)
        if not field:
            return lambda match: [written]
        named, verbalizer, one, many = field.groups()
        group = int(named) if named.isdigit() else named
        if one is not None:
            return lambda match: (one if match[group] == "1" else many).split()
        say = self._vocabulary.verbalizers[verbalizer] if verbalizer else _lower
        return lambda match: say(match[group]) if match[group] is not None else []


def rows_of(vocabulary: Vocabulary, *names: str) -> list[Row]:
    """The rows of tables in the folder ``rows``, in the order in which they are tried."""
    found = [
        Row(f"{name}:{line}", cells, vocabulary)
        for name in names
        for line, cells in enumerate(vocabulary.tables.rows(f"rows/{name}"), 2)
    ]
    return sorted(found, key=lambda row: row.priority)


def forms_of(rows: Sequence[Row]) -> list[tuple[str, str, Speak | str | None]]:
    """Rows as written forms."""
    return [(row.begins, row.pattern, row.speak) for row in rows]


def _lower(written: str) -> list[str]:
    return [written.lower()]
