"""What says each kind of number, date or address that common/rows/kinds.tsv recognizes."""

from __future__ import annotations

from functools import partial

from dlpo.text.common.numbers import said_sets
from dlpo.text.en_us.calendar import clock, date, iso_date
from dlpo.text.en_us.fractions import fraction as part
from dlpo.text.en_us.money import money as price
from dlpo.text.en_us.numbers import cardinal_words
from dlpo.text.en_us.quantities import number, range
from dlpo.text.en_us.technical import address_words as web_words
from dlpo.text.en_us.technical import mail_words

__all__ = [
    "clock", "date", "iso_date", "mail_words", "number", "part", "price", "range", "web_words",
]  # fmt: skip
sets_words = partial(said_sets, cardinal_words)
