"""Written text -> tokens, each with the words it is spoken as and its place in the text."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

from dlpo.text.common.forms import FormReader, Forms
from dlpo.text.common.language import Token

_FORMS: Forms = (("a", r"[A-Za-záéíóúüñÁÉÍÓÚÜÑ]{1,60}", None),)
_READER = FormReader(r"(?P<a>[A-Za-záéíóúüñÁÉÍÓÚÜÑ])", _FORMS)


def tokens(
    text: str,
    *,
    given: Container[str] = (),
    shouted: bool | None = None,
    start: int = 0,
    end: int | None = None,
) -> Iterator[Token]:
    """Readable text -> its spoken tokens in order, see `Language.tokens`."""

    def word(match: re.Match[str]) -> list[str]:
        return [match[0].lower()]

    return _READER.tokens(text, start, len(text) if end is None else end, word)
