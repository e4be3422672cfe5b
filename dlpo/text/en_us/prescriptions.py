"""What doctors write -> spoken words: q8h, q4-6h, for 10d, 58 y/o, Vit D3."""

from __future__ import annotations

import re

from dlpo.text.common.forms import Forms
from dlpo.text.en_us.numbers import cardinal_words


def _every(match: re.Match[str]) -> list[str]:
    """q4-6h: every four to six hours."""
    words = ["every", *cardinal_words(match[1])]
    return words + (["to", *cardinal_words(match[2])] if match[2] else []) + ["hours"]


FORMS: Forms = (
    ("a", r"\bq\.?\s?(\d{1,2})(?:[-–](\d{1,2}))?\s?(?:h|hrs?|hours)\b", _every),
    (
        "d",
        r"(?:(?<=[x×]\s)|(?<=[x×])|(?<=\bfor ))\d{1,3}d\b"
        r"(?!,? (?:(?:and|or) )?\dd\b)(?=[.,;)]|\s?$| (?:w/|(?:and|with|then|if|or)\b))",
        lambda match: [*cardinal_words(match[0][:-1]), "days"],
    ),
    (
        "d",
        r"(?<![\w.])(\d{1,3})(?:\s?|-)(?:yo\b|y\.\s?o\.|y/o\b)(?!-)",
        lambda match: [*cardinal_words(match[1]), "year", "old"],
    ),
    ("aA", r"\b[Vv]it\b\.?(?=\s[A-EK]\d{0,2}\b)", lambda match: ["vitamin"]),
)
