"""How Spanish sentences end, see `dlpo.text.common.endings`."""

from __future__ import annotations

import re

from dlpo.text.common.endings import Endings
from dlpo.text.es.tables import any_of, word_list

ENDINGS = Endings(
    tag=re.compile(rf",\s*¿?(?:{any_of('tags')})\s*\?\W*$"),
    before=word_list("before question words"),
    question_words=re.compile(rf"(?:{any_of('question words')})$"),
    alternative=re.compile(r"\b[ou]\b(?!\s+(?:no|así|algo|qué|más|menos)\b)"),
    conjunctions=frozenset({"y", "e", "o", "u"}),
)
