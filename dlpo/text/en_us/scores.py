"""Sets of tennis and averages of batting -> spoken words: 6-4, 3-6, 7-6 (5), .312."""

from __future__ import annotations

from dlpo.text.common.scores import Sets
from dlpo.text.en_us.numbers import cardinal_words
from dlpo.text.en_us.tables import TABLES

_SETS = Sets(TABLES, "and", cardinal_words)
SETS_PATTERN = _SETS.pattern
sets = _SETS.words
