"""The set of texts, and which words are to be heard of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dlpo.errors import DataError
from dlpo.judges.word_errors import words_of

TEXTS = Path(__file__).with_name("texts.tsv")


@dataclass(frozen=True, slots=True)
class BenchText:
    """One text of the set."""

    name: str
    """category and number, as "number-02": what records call it"""
    category: str
    text: str
    words: str
    """as a person reads them out, "forty two dollars" for "$42\""""


def read_texts(path: Path = TEXTS) -> list[BenchText]:
    """The texts of a file: lines of category, text and, where the text has numbers, abbreviations
    or letters to be spelled, its words, with tabs between them. Blank lines and # are passed over.

    Raises:
        DataError: unreadable, empty, or a line of another form.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: can't be read ({error}); expected texts, one a line") from error
    found: list[BenchText] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")]
        category, text, words = (*fields, "", "")[:3]
        if len(fields) not in (2, 3) or not category or not words_of(words or text):
            raise DataError(
                f"{path}, line {number}: {line!r}; expected category, text and perhaps its words,"
                " with tabs between them"
            )
        count = 1 + sum(one.category == category for one in found)
        name = f"{category.replace(' ', '-')}-{count:02}"
        found.append(BenchText(name, category, text, words or text))
    if not found:
        raise DataError(f"{path} has no texts; expected one a line")
    return found
