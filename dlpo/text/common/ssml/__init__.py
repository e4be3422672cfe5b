"""Speech Synthesis Markup Language 1.1, as far as a voice can follow it; see docs/ssml.md.

Few texts are SSML documents, so their reader is imported when the first one comes.

Reference: https://www.w3.org/TR/speech-synthesis11/
"""

from __future__ import annotations

import re
from typing import Literal, get_args

Ssml = Literal["lenient", "strict"]
"""How a document is read: what can't be followed is a warning, or an error."""
SSML: tuple[str, ...] = get_args(Ssml)
_HEAD = 4_000  # characters, in which <speak> is
_BEGIN = re.compile(r"[\s\ufeff]{0,1000}(?:<\?xml[^>]{0,200}>\s{0,100})?(?:<!DOCTYPE|<speak[\s/>])")
_LANGUAGE = re.compile(r"""<speak\b[^<>]{0,1000}?\sxml:lang=["']([\w-]{1,40})["']""")
_VOICE = re.compile(r"""<voice\b[^<>]{0,300}?\sname=["']([^"'<>]{1,80})["']""")


def document_language(text: str) -> str:
    """The language that a document's <speak> names, BCP 47; "" if it names none."""
    found = _LANGUAGE.search(text, 0, _HEAD) if is_ssml(text) else None
    return found[1] if found else ""


def document_voice(text: str) -> str:
    """The name in a document's first ``<voice>``; "" if it names none."""
    found = _VOICE.search(text, 0, _HEAD) if is_ssml(text) else None
    return found[1] if found else ""


def is_ssml(text: str) -> bool:
    """Whether a text is a document: it begins with ``<speak>``, perhaps after what XML allows."""
    return _BEGIN.match(text) is not None
