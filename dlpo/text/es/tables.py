"""The tables in this folder, and the gender of nouns by its lists."""

from __future__ import annotations

from dlpo.text.common.nouns import Nouns
from dlpo.text.common.tables import Tables

TABLES = Tables(__file__)
any_of, table = TABLES.any_of, TABLES.table
word_list, words_of = TABLES.word_list, TABLES.words_of
NOUNS = Nouns(TABLES, "a-záéíóúüñ")
EXCEPTIONS = TABLES.column("pronunciations")
"""Words that the rules of spelling don't give: word -> IPA in syllables"""
