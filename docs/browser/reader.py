"""Reads text for the page, in Pyodide: the text front end of every other dlpo."""

from __future__ import annotations

import json

from dlpo.errors import DlpoError
from dlpo.text import TextFrontEnd

_front_end = TextFrontEnd()


def read(text: str) -> str:
    """JSON: `sentences`, each a list of the voice's symbols, and `warnings`; or `error`."""
    try:
        done = _front_end.process(text)
    except DlpoError as error:
        return json.dumps({"error": str(error)})
    sentences = [sentence.symbol_ids() for sentence in done.sentences]
    return json.dumps({"sentences": sentences, "warnings": list(done.warnings)})
