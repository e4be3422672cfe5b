"""How English sentences end, see `dlpo.text.common.endings`."""

from __future__ import annotations

from dlpo.text.common.endings import Endings
from dlpo.text.common.patterns import late
from dlpo.text.en_us.tables import any_of, word_list

_AUXILIARIES = any_of("auxiliaries")
ENDINGS = Endings(
    tag=late(
        rf",\s*(?:(?:{_AUXILIARIES})\s+(?:{any_of('subjects of tags')})|{any_of('tags')})\s*\?\W*$"
    ),
    before=word_list("before question words") | word_list("before openings"),
    question_words=late(rf"(?:{any_of('question words')})\b"),
    alternative=late(
        r"\bor\b(?!\s+(?:not|so|anything|something|whatever|what|more|less|two|thereabouts)\b)"
    ),
    conjunctions=frozenset({"and", "or"}),
    openings=word_list("auxiliaries") | {"cannot"},
)
