"""Tables that a speaker of the language can edit: NAME.tsv in a folder, with a head line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from dlpo.text.common.chooser import Chooser, known_chooser

_LIST = re.compile(r"\{([A-Za-z][A-Za-z ]{1,40})\}")
_HABIT = re.compile(r"\{([A-Z][A-Z_]+)\}")


class Said(list[str]):
    """The words of a row, which know where it is."""

    row = ""


class Tables:
    """The tables of one folder."""

    def __init__(self, module: str) -> None:
        """``module``: the ``__file__`` of a module in the folder."""
        self._folder = Path(module).parent
        self.folder = self._folder.name

    def names(self, folder: str) -> list[str]:
        """The names of the tables in a folder of this one."""
        return sorted(file.stem for file in (self._folder / folder).glob("*.tsv"))

    def table(self, name: str) -> dict[str, tuple[str, ...]]:
        """NAME.tsv: first cell -> the others of its row, less the head."""
        return {first: tuple(others) for first, *others in self.rows(name)}

    def rows(self, name: str) -> list[list[str]]:
        """The rows of NAME.tsv, less the head."""
        text = (self._folder / f"{name}.tsv").read_text(encoding="utf-8")
        return [line.split("\t") for line in text.splitlines()[1:]]

    def said(self, name: str, index: int, words: str) -> Said:
        """The words of a row, the ``index``-th of NAME.tsv."""
        said = Said(words.split())
        said.row = f"{self.folder}/{name}.tsv:{index + 2}"
        return said

    @cached_property
    def _rows_by_key(self) -> dict[str, list[tuple[str, list[str]]]]:
        """First cell, or an alternative in it -> the places and other cells of its rows."""
        found: dict[str, list[tuple[str, list[str]]]] = {}
        for path in sorted({*self._folder.glob("*.tsv")} - {self._folder / "habits.tsv"}):
            for index, (first, *others) in enumerate(self.rows(path.stem)):
                place = f"{self.folder}/{path.name}:{index + 2}"
                for key in {first, *first.split("|")}:
                    found.setdefault(key, []).append((place, others))
        return found

    def rows_of(self, written: str, said: str) -> list[str]:
        """See `Language`: those whose first cell is it, in this case or in lower case."""
        lower = written.lower()
        keys = dict.fromkeys((written, written.rstrip("."), lower, lower.rstrip(".")))
        rows = (row for key in keys for row in self._rows_by_key.get(key, ()))
        return [place for place, others in rows if said in others]

    def column(self, name: str) -> dict[str, str]:
        """NAME.tsv: first cell -> the second of its row."""
        return {first: others[0] for first, others in self.table(name).items()}

    def words(self, name: str) -> dict[str, list[str]]:
        """NAME.tsv: first cell -> the words of the second."""
        return {first: second.split() for first, second in self.column(name).items()}

    def model(self, name: str) -> Chooser | None:
        """The choice that NAME.zip has learned; None where the file was taken out."""
        return known_chooser(self._folder / f"{name}.zip", self._folder / "word_vectors.zip")

    def abbreviations(self) -> frozenset[str]:
        """The words in the first column of each table whose head begins with "abbreviation", in
        lower case, and "have forms"."""
        keys = (
            first.lower()
            for file in self._folder.glob("*.tsv")
            if file.read_text(encoding="utf-8").startswith("abbreviation\t")
            for first, *_ in self.rows(file.stem)
            if first[0] != "{"  # those of a kind
        )
        parts = (part for key in keys for part in re.findall(r"[^\W\d_]+", key))
        return frozenset(parts) | self.word_list("have forms")

    @cached_property
    def _lists(self) -> dict[str, list[str]]:
        text = (self._folder / "lists.txt").read_text(encoding="utf-8")
        named = (part.partition("\n") for part in f"\n{text}".split("\n== ")[1:])
        return {name: words.split() for name, _, words in named}

    @cached_property
    def classes(self) -> dict[str, list[str]]:
        """Of word_classes.tsv: the words of each class, such as DET; none without that table."""
        has_classes = (self._folder / "word_classes.tsv").is_file()
        return self.words("word_classes") if has_classes else {}

    def words_of(self, name: str) -> list[str]:
        """The words of one list in lists.txt: a word a line, below its name as ``== name``."""
        return self._lists[name]

    def word_list(self, name: str) -> frozenset[str]:
        """The words of a list as a set, to look words up."""
        return frozenset(self.words_of(name))

    @cached_property
    def _habits(self) -> dict[str, str]:
        own = self.column("habits")
        return own if self._folder == Path(__file__).parent else {**COMMON._habits, **own}

    def with_habits(self, expression: str) -> str:
        """A regular expression with the pieces that its names in braces have in habits.tsv, of the
        language or of all languages, in their place."""
        while (found := _HABIT.sub(self._habit, expression)) != expression:
            expression = found
        return expression

    def _habit(self, named: re.Match[str]) -> str:
        return self._habits.get(named[1], named[0])

    def pattern(self, expression: str) -> str:
        """The same, with lists too."""
        return self.with_lists(self.with_habits(expression))

    def patterns(self, name: str) -> str:
        """The regular expressions of a list as alternatives of one."""
        return "|".join(self.words_of(name))

    def with_lists(self, expression: str) -> str:
        """A regular expression with the alternatives of a list in place of its name in braces."""
        return _LIST.sub(lambda named: self.patterns(named[1]), expression)

    def any_of(self, name: str) -> str:
        """The words of a list as alternatives of a regular expression."""
        return "|".join(map(re.escape, self.words_of(name)))


COMMON = Tables(__file__)
"""of all languages"""


def any_key(keys: Iterable[str]) -> str:
    """Keys of a table as alternatives of a regular expression, the longest first."""
    return "|".join(sorted(map(re.escape, keys), key=len, reverse=True))
