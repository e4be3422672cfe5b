"""What says each kind of number, date or address that common/rows/kinds.tsv recognizes."""

from __future__ import annotations

from functools import partial

from dlpo.text.common.numbers import said_sets
from dlpo.text.es.calendar import clock, date, iso_date
from dlpo.text.es.money import money as price
from dlpo.text.es.numbers import cardinal_words
from dlpo.text.es.quantities import fraction as part
from dlpo.text.es.quantities import number, range
from dlpo.text.es.technical import mail_words, web_words

__all__ = [
    "clock", "date", "iso_date", "mail_words", "number", "part", "price", "range", "web_words",
]  # fmt: skip
sets_words = partial(said_sets, cardinal_words)
