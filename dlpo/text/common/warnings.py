"""What the writer of a text is warned of, and the language that a text looks like."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import filterfalse

from dlpo.text.common.characters import PICTURES, ReadableText
from dlpo.text.common.markup import without_followed_tags
from dlpo.text.common.patterns import late
from dlpo.text.common.tables import Tables

_SAID = re.compile(rf"[^\W_]|[{PICTURES}]")  # what a reader would expect to hear
_COMMAND = re.compile(r"\\[A-Za-z]{2,12}")  # of a formula
_ADDRESS = late(r"\]\(((?:[^()\s]|\([^()\s]{0,100}\)){1,500})[^()\n]{0,102}\)")  # of a link
_WORD = re.compile(r"[^\W\d_]+|[¿¡]")
_OPENING = re.compile(r"(?:^|[.!?:¿¡\n\"“(]\s{0,3})([^\W\d_]{1,20})")
_CHECKED = re.compile(r"\[[xX]\]")
_MARKS = " .,;:!?*_`#\"'|"
# Small word without accents -> its languages; in lower case, which "Las Vegas" isn't. And signs,
# and a letter that only words of one language have.
_LANGUAGES = Tables(__file__).table("languages")
_MUCH_MORE = 3  # times as many small words of another language as of the one that is spoken
SHOWN = 5  # passages in a warning
_SHOWN_LENGTH = 60  # characters of each


class TextWarnings:
    """Collects, passage by passage, what is not spoken of a text."""

    def __init__(self, looks_like: str | None = None) -> None:
        """`looks_like`: see `ReadingOptions`."""
        self.dropped = 0
        """characters so far that can't be spoken"""
        self.unspoken: list[str] = []
        """passages so far that gave no word"""
        self.notes: dict[str, None] = {}
        """other warnings, in order"""
        self._looks_like = looks_like
        self._small = Counter[str]()  # words so far that show a language
        self._words = 0  # all words so far, as written

    def note(
        self, text: str, plain: str, readable: ReadableText, places: list[tuple[int, int]]
    ) -> None:
        """Note what in a passage is not spoken.

        Args:
            text: as written.
            plain: from `TextReading.plain`.
            readable: that in the characters of its language.
            places: of its words, in order.
        """
        self.unspoken += passages_between(text, places)
        self.dropped += len(readable.dropped)
        if self._looks_like is None:
            found, number = small_words(plain)
            self._words += number
            self._small.update(found)

    def lines(self, spoken_language: str) -> tuple[str, ...]:
        """Warnings for the writer, one line each; the argument is the name of the voice's."""
        looks_like = self._looks_like
        if looks_like is None:
            looks_like = likely_language(self._small, self._words, spoken_language)
        is_other = looks_like not in ("", spoken_language)
        if not (is_other or self.unspoken or self.notes):
            return ()
        found = []
        shown = [one for passage in self.unspoken if (one := brief(passage))]
        if shown:
            more = [f"{len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
            found.append(f"not spoken: {'; '.join(shown[:SHOWN] + more)}")
        if is_other:
            found.append(f"the text looks like {looks_like}; this voice speaks {spoken_language}")
        found += self.notes
        return tuple(found)


def passages_between(text: str, places: Iterable[tuple[int, int]]) -> list[str]:
    """The passages of a text that a reader would expect to hear, outside of its words' `places`."""
    found, end = [], 0
    for start, stop in [*places, (len(text), 0)]:
        if _SAID.search(text, end, start):
            passage = text[end:start]
            found += [passage] if _SAID.search(_COMMAND.sub("", passage)) else []
        end = max(end, stop)
    return found


def small_words(text: str) -> tuple[Counter[str], int]:
    """The words of a plain text that show its language, and the number of all its words."""
    written = _WORD.findall(text)
    found = Counter(filter(_LANGUAGES.__contains__, written))
    others = list(map(str.lower, filterfalse(str.islower, _OPENING.findall(text))))
    if not text.isascii():
        found["ñ"] += sum("ñ" in word for word in written if word.islower())
        others += [word for word in written if not word.isascii()]
        others = list(map(_without_accents, others))
    found.update(filter(_LANGUAGES.__contains__, others))
    return +found, sum(map(str.isalpha, written))


def _without_accents(word: str) -> str:
    letters = unicodedata.normalize("NFKD", word.replace("ß", "ss"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def likely_language(small: Mapping[str, int], words: int, spoken_language: str) -> str:
    """The name of the language that a text looks like, "" if it is the one that is spoken.

    Args:
        small: its small words, from `small_words`, and how often they occur.
        words: the number of all its words.
        spoken_language: name of the language that the text was read as.
    """
    count_of, distinct = Counter[str](), Counter[str]()
    own = 0
    for word, count in small.items():
        languages = _LANGUAGES[word][0].split(",")
        if spoken_language not in languages:
            count_of.update(dict.fromkeys(languages, count))
            distinct.update(languages)
        elif len(languages) == 1:
            own += count
    for language, count in count_of.most_common(1):
        least = {1: 2.0, 2: 0.5}.get(distinct[language], 0.2)  # share of the words
        if count >= least * words and count > _MUCH_MORE * own:
            return language
    return ""


def language_of_text(text: str, spoken_language: str) -> str:
    """The name of the language that a plain text looks like, as in `likely_language`."""
    return likely_language(*small_words(text), spoken_language)


def brief(passage: str) -> str:
    """A passage as a warning shows it; empty if it is only markup, such as a list marker."""
    if "<" in passage or "[" in passage:
        passage = without_followed_tags(passage)
    words = _CHECKED.sub("", _ADDRESS.sub(r" \1 ", passage)).split()
    if "](" in passage:  # punctuation between links
        words = list(filter(_SAID.search, words))
    shown = "".join(filter(str.isprintable, " ".join(words)))
    shown = shown.lstrip(")]" + _MARKS).rstrip("([" + _MARKS)
    if not _SAID.search(shown):
        return ""
    return shown if len(shown) <= _SHOWN_LENGTH else f"{shown[:_SHOWN_LENGTH]}..."
