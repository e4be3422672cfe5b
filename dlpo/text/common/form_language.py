"""What languages do alike that are read by written forms and tables of words."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from functools import partial

from dlpo.text.common.abbreviations import opens_sentence
from dlpo.text.common.characters import Characters
from dlpo.text.common.endings import Endings
from dlpo.text.common.forms import FormReader
from dlpo.text.common.language import Phonemes, Token
from dlpo.text.common.periods import ends_by, period_after
from dlpo.text.common.tables import Tables


class FormLanguage:
    """The part of a `Language` that tables and forms settle; a language brings `word` and the rest.

    `day_first`: whether 5/3 is the fifth of March. Its lists.txt has "before names", "sentence
    starters", "join clauses", "question words", "before question words", and, for dates without a
    year that are read the other way round, "before swapped dates" and "not after swapped dates".
    """

    day_first = True

    def __init__(
        self,
        code: str,
        name: str,
        tables: Tables,
        characters: Characters,
        forms: FormReader,
        endings: Endings,
    ) -> None:
        self._model = partial(tables.model, "periods")
        self.abbreviations = tables.abbreviations()
        self.code = code
        self.name = name
        self.characters = characters
        self.endings = endings
        self.tokens = partial(forms.tokens, word=self.word)
        """see `Language`"""
        self.rows_of = tables.rows_of
        self._before_names = tables.word_list("before names")
        self._sentence_starters = tables.word_list("sentence starters")
        self._joining_words = tables.word_list("join clauses")
        self._question_words = tables.word_list("question words")
        self.around_dates = (
            tables.words_of("before swapped dates"),
            tables.words_of("not after swapped dates"),
        )
        self._before_question_words = tables.word_list("before question words")

    def word(self, match: re.Match[str], given: Container[str], capitals: bool) -> list[str] | None:
        """The words of a form that is just a word; None if it is something else after all.

        Args:
            match: of one of the patterns without a function.
            given: lower-case words that the writer gives a pronunciation for.
            capitals: whether capitals mean something.
        """
        raise NotImplementedError

    def accented(self, written: str) -> Phonemes:
        """See `Language`: none, where accents are kept as letters."""
        return ()

    def starts_sentence(self, word: str) -> bool:
        """See `Language`."""
        return opens_sentence(word, self._sentence_starters)

    def period_ends_sentence(self, text: str, token: Token, following: Token) -> bool:
        """See `Language`: not that of "Mr.", and if a usual first word follows, or by the model.

        A name or a number follows the words of "before names". In small letters, as all of a text
        in one case, only a word that doesn't join clauses begins a sentence.
        """
        opening, is_own = following.words[0], token.text[-1] == "."
        if is_own and {token.words[-1], token.text} & self._before_names:
            return False
        if following.text[0].islower():
            usual = opening not in self._joining_words and self.starts_sentence(opening)
            return usual or not is_own
        is_word = len(following.words) == 1 and following.text[0].isalpha()
        if is_word and self.starts_sentence(opening):
            return True
        is_letter = len(token.text) == 1 and token.text.isupper()
        is_open = is_word and (following.text[1:2].islower() or len(following.text) == 1)
        is_open = is_open and (is_own or is_letter or token.text[0].isdigit())
        period = period_after(text, token, following) if is_open else None
        model = self._model() if period else None
        return ends_by(model, period, is_own) if model and period else not is_own

    def falls(self, words: Sequence[str]) -> bool:
        """See `Language`: "Where is it?" falls as "Here it is." does, "Is it here?" rises.

        Reference: Bolinger, Intonation and Its Uses, 1989, chapters 5 and 6; Navarro Tomás, Manual
        de entonación española, 1944.
        """
        opening = next((word for word in words if word not in self._before_question_words), "")
        return opening.partition("'")[0] in self._question_words
