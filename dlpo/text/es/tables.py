"""The tables in this folder."""

from __future__ import annotations

from dlpo.text.common.tables import Tables

_TABLES = Tables(__file__)
table = _TABLES.table
words_of = _TABLES.words_of
word_list = _TABLES.word_list
any_of = _TABLES.any_of
