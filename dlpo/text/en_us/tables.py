"""The tables in this folder."""

from __future__ import annotations

from dlpo.text.common.tables import Tables

TABLES = Tables(__file__)
table = TABLES.table
words_of = TABLES.words_of
word_list = TABLES.word_list
any_of = TABLES.any_of
