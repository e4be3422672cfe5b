"""Gender: that of a noun, guessed from its ending and lists, and that of a number beside it."""

from __future__ import annotations

import re

from dlpo.text.common.tables import Tables


class Nouns:
    """Nouns of a language with two genders, ``m`` and ``f``.

    Its lists.txt has "feminine nouns", "masculine nouns" and the endings of both, which are regular
    expressions; "feminine articles", "feminine article", which makes only 1 feminine and numbers
    before "feminine and ordered" nouns, "not nouns", "big numbers", which count as plurals, "number
    connectives" and "thousand", which may be between a number and its noun, and as patterns "nouns
    of both genders" and the "feminine adjectives" that settle theirs.
    """

    def __init__(self, tables: Tables, letters: str) -> None:
        """``letters``: those of words in lower case, as in a class of a regular expression."""
        self._feminine = tables.word_list("feminine nouns")
        self._masculine = tables.word_list("masculine nouns")
        self._not_nouns = tables.word_list("not nouns")
        self._article = tables.word_list("feminine article")
        self._ordered = tables.word_list("feminine and ordered")
        self._articles = tables.word_list("feminine articles")
        self._of_both = re.compile(rf"(?:{tables.patterns('nouns of both genders')})s?")
        self._of_women = re.compile(
            rf"\s(?!(?:{tables.any_of('not nouns')})\b)"
            rf"(?:(?<!s\s)(?:{tables.patterns('feminine adjectives')})|[{letters}]{{3,30}}as)\b"
        )
        self._named = re.compile(rf"\s[{letters.upper()}][{letters}]{{2,20}}as\b")
        self._feminine_ending = re.compile(rf"(?:{tables.patterns('feminine endings')})$")
        self._masculine_ending = re.compile(rf"(?:{tables.patterns('masculine endings')})$")
        thousand = tables.any_of("thousand")
        self._big = re.compile(rf"(?:{thousand})?(?:{tables.any_of('big numbers')})")
        self._next = re.compile(
            rf"(?:\s(?:{tables.any_of('number connectives')})\s[\d.,]{{1,20}})?"
            rf"\s{{1,2}}(?:(?:{thousand})\s)?([{letters}]{{2,40}})"
        )
        self._before = re.compile(rf"([A-Z{letters}]{{2,40}})\s{{1,2}}$")

    def gender(self, noun: str) -> str:
        """That of a noun in lower case."""
        if noun in self._feminine:
            return "f"
        if noun in self._masculine or self._masculine_ending.search(noun):
            return "m"
        return "f" if self._feminine_ending.search(noun) else "m"

    def after(self, text: str, place: int, one: bool = False) -> str:
        """The noun that follows at a place, perhaps after a thousand; "" for any other word.

        ``one``: the noun may be in the singular.
        """
        match = self._counted(text, place, one)
        return match[1] if match else ""

    def _counted(self, text: str, place: int, one: bool) -> re.Match[str] | None:
        match = self._next.match(text, place)
        if match is None or match[1] in self._not_nouns:
            return None
        many = match[1].endswith("s") or self._big.fullmatch(match[1])
        return match if one or many else None

    def gender_at(self, text: str, start: int, end: int, one: bool = False) -> str:
        """That of the noun which a number ``text[start:end]`` counts; "" if there is none."""
        before = self._before.search(text, max(0, start - 42), start)
        if before and before[1].lower() in self._articles:
            return "f"
        if before and before[1].lower() in self._article:  # a la una; "la doscientos uno" is a name
            is_ordered = self.after(text, end, one=True) in self._ordered
            is_ordered = is_ordered or self._named.match(text, end) is not None  # la 500 Millas
            return "f" if is_ordered or text[start:end].strip() == "1" else ""
        noun = self._counted(text, end, one)
        if noun and self._of_both.fullmatch(noun[1]) and self._of_women.match(text, noun.end()):
            return "f"  # 1 policía herida; but "21 agentes salida"
        return self.gender(noun[1]) if noun else ""
