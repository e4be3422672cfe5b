"""The languages that can be read: each a folder of this package, loaded when it is first wanted."""

from __future__ import annotations

from importlib import import_module

from dlpo.errors import InputError
from dlpo.text.common.language import Language

LANGUAGES = ("en-US",)
"""BCP 47; the first one is that of voices which name none"""


def open_language(code: str) -> Language:
    """The language of a BCP 47 code: the folder ``en_us`` for ``en-US``.

    Raises:
        InputError: it can't be read; names those that can.
    """
    if code not in LANGUAGES:
        raise InputError(f"language {code!r} can't be read; expected {', '.join(LANGUAGES)}")
    folder = code.replace("-", "_").lower()
    opened: Language = import_module(f"dlpo.text.{folder}").open_language()
    return opened
