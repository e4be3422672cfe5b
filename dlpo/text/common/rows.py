"""Rows of tables that say how written forms are read: a pattern, its neighbors and its words.

A table of rows is NAME.tsv in a folder ``rows`` of a language, with the columns

    priority  the lowest is tried first; equals in the order of the tables and their rows
    begins    as in `dlpo.text.common.forms.Form`
    left      characters that may not be just before the form, as in a class of a regular
              expression; empty: any may
    pattern   a regular expression; ``{NAME}`` is a piece in habits.tsv, of the language or of
              all, ``{list name}`` has the words of a list in lists.txt as alternatives,
              ``{@table}`` what a table has in its first column, ``{module.NAME}`` is a piece
              that a module of the language defines
    before    see `dlpo.text.common.neighbors`
    after     the same
    says      words, see below
    reads     texts that the row must read, with ``||`` between them
    leaves    texts that it must leave

What it says are words, and fields for what a group of the pattern matched:

    {1}               in lower case, also as a part of a word: ``{1}s``
    {1:cardinal}      by `cardinal_words` in the language's module of numbers, or in that of the
                      same name for all languages
    {1:calendar.day}  by `day_words` in the language's module calendar
    {1:ordinal=f}     with another argument
    {1:year+plural}   by one, and then what that gives by the other
    de{1:year}        a word before it
    {1^}              its letters and digits one by one
    {1@table}         as a table says it, or as it is; {1@table}bound: with an ending
    {1~table}         part by part: by a table, as a number, or a letter: Cmaj7
    {1#hour/hours}    one word for one and another for more

Where a row leaves open what is meant, it has names of choices and what is said of each, with
``||`` between them: ``m meter: || m million: {1} million``; one that says nothing leaves the match
to the next rows (`dlpo.text.common.choices`).

A group without a match says nothing. ``@module.function`` is a function of the language, from the
match to words or None if it is something else after all; ``@`` is a plain word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial, reduce
from importlib import import_module
from operator import attrgetter, itemgetter
from typing import Any, cast

from dlpo.text.common.choices import choice_of
from dlpo.text.common.forms import Form, Speak
from dlpo.text.common.neighbors import Context
from dlpo.text.common.tables import COMMON, Tables, any_key

_FIELD = re.compile(
    r"([^{}]*)\{(\w+)(?::([\w.=+]+)|(\^)|([@~])(\w+)|#([^/}]*)/([^}]*))\}([^{}]*)|\{(\w+)\}"
)
_GLUED = re.compile(r"\{(\d)\}")
_KEYS = re.compile(r"\{@(\w+)\}")
_PIECE = re.compile(r"\{([a-z_]+)\.([A-Z]\w+)\}")


class Row:
    """One row; its pattern and contexts are compiled when they are first needed."""

    def __init__(self, name: str, cells: Sequence[str], tables: Tables, package: str) -> None:
        """
        Args:
            name: where it is, as FILE:LINE.
            cells: one for each column.
            tables: those of the language.
            package: that of the language, in which its modules are.
        """
        priority, self.begins, left, pattern, before, after, says, reads, leaves = cells
        self.name = name
        self.reads = _texts(reads)
        self.leaves = _texts(leaves)
        self.priority = int(priority)
        self.is_word = says == "@"
        self._written = pattern
        self._left = re.compile(f"[{left}]").match if left else None
        self._context = Context(tables, before, after) if before or after else None
        self._says = says
        self._tables = tables
        self._package = package

    @cached_property
    def pattern(self) -> str:
        """Its regular expression, with its pieces and lists in place."""
        written = self._tables.with_habits(self._written)
        with_pieces = _PIECE.sub(lambda named: str(self._named(*named.groups())), written)
        with_keys = _KEYS.sub(lambda named: any_key(self._tables.table(named[1])), with_pieces)
        return self._tables.with_lists(with_keys)

    def _named(self, module: str, name: str) -> Any:
        """What a module of the language defines, or else one of the same name for all languages."""
        own = import_module(f"{self._package}.{module}")
        if hasattr(own, name):
            return getattr(own, name)
        return getattr(import_module(f"dlpo.text.common.{module}"), name)

    def speak(self, match: re.Match[str]) -> list[str] | None:
        """The words of a match of the pattern; None where its neighbors are others."""
        text, start = match.string, match.start()
        if self._left and start and self._left(text, start - 1):
            return None
        if self._context and not self._context.fits_text(text, start, match.end()):
            return None
        return self._verbalize(match)

    @cached_property
    def _verbalize(self) -> Speak:
        if self._says.startswith("@"):
            return cast("Speak", self._named(*self._says[1:].split(".")))
        if "||" in self._says:
            choices = (one.partition(":") for one in self._says.split("||"))
            says = {
                name.strip(): self._words(words) if words.strip() else lambda match: None
                for name, _, words in choices
            }
            return choice_of(lambda: self._tables.model("kinds"), says)
        return self._words(self._says)

    def _words(self, says: str) -> Speak:
        parts = [self._part(word) for word in says.split()]
        return lambda match: [word for part in parts for word in part(match)]

    def _part(self, written: str) -> Callable[[re.Match[str]], list[str]]:
        """A function from a match to the words of one part of what is said."""
        field = _FIELD.fullmatch(written)
        if not field:
            return lambda match: [
                _GLUED.sub(lambda one: (match[int(one[1])] or "").lower(), written)
            ]
        before, named, chain, spelled, how, table, one, many, ending, plain = field.groups()
        named = named or plain
        group = int(named) if named.isdigit() else named
        if plain:
            return lambda match: (match[group] or "").lower().split()
        if one is not None:
            return lambda match: (one if match[group] == "1" else many).split()
        if spelled:
            return lambda match: [c for c in (match[group] or "").upper() if c.isalnum()]
        if table:
            said = self._tables.words(table)
            say = _looked_up(said) if how == "@" else self._in_parts(said)
        else:
            say = _chained([self._verbalizer(*link.split("=")) for link in chain.split("+")])
        first = before.split()

        def part(match: re.Match[str]) -> list[str]:
            if match[group] is None:
                return []
            *words, last = [*first, *say(match[group])] or [""]
            return [*words, last + ending] if last or ending else []

        return part

    def _in_parts(self, said: Mapping[str, list[str]]) -> Callable[[str], list[str]]:
        """A function from what is written to the words of its parts."""
        part = re.compile(rf"{any_key(said)}|\d+|[A-Za-z]")
        number = self._verbalizer("cardinal")
        return lambda written: [
            word
            for one in part.findall(written)
            for word in said.get(one) or (number(one) if one.isdigit() else [one.upper()])
        ]

    def _verbalizer(self, name: str, *arguments: str) -> Callable[[Any], Any]:
        module, _, function = name.rpartition(".")
        say = self._named(module or "numbers", f"{function}_words")
        return partial(say, **dict(zip(("gender", "short"), arguments, strict=False)))


def rows_of(tables: Tables, package: str) -> list[Row]:
    """The rows of a language and those of all, in the order in which they are tried."""
    found = [
        Row(f"{folder.folder}/rows/{name}.tsv:{line}", cells, tables, package)
        for folder in (COMMON, tables)
        for name in folder.names("rows")
        for line, cells in enumerate(folder.rows(f"rows/{name}"), 2)
    ]
    return sorted(found, key=attrgetter("priority"))


def forms_of(rows: Sequence[Row], others: Mapping[int, Form]) -> list[Form]:
    """Rows, and other forms by their priority, as written forms in the order they are tried."""
    found = list(others.items())
    for row in rows:
        says = None if row.is_word else row.speak
        found.append((row.priority, Form(row.name, row.begins, row.pattern, says)))
    return [form for _, form in sorted(found, key=itemgetter(0))]


def _texts(cell: str) -> list[str]:
    return [text.strip() for text in cell.split("||")] if cell else []


def _looked_up(said: Mapping[str, list[str]]) -> Callable[[str], list[str]]:
    return lambda written: said.get(written) or said.get(written.lower(), [written])


def _chained(links: Sequence[Callable[[Any], Any]]) -> Callable[[str], list[str]]:
    return lambda written: reduce(lambda said, link: link(said), links, cast("Any", written))
