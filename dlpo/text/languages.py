"""The languages that can be read: each a folder of this package, loaded when it is first wanted."""

from __future__ import annotations

from importlib import import_module

from dlpo.errors import InputError
from dlpo.text.common.language import Language

_FOLDERS = {"en-US": "en_us", "es-419": "es", "es-ES": "es"}
LANGUAGES = tuple(_FOLDERS)
"""BCP 47; the first one is that of voices which name none"""


def known_language(code: str) -> str:
    """A BCP 47 code as writers give it -> that of `LANGUAGES` which comes nearest.

    The same language counts, then the same region: ``es-MX`` and ``es`` are read as ``es-419``.

    Raises:
        InputError: none is of that language.
    """
    wanted = code.replace("_", "-").lower()
    for known in LANGUAGES:
        if known.lower() == wanted:
            return known
    for known in LANGUAGES:
        if known.partition("-")[0] == wanted.partition("-")[0]:
            return known
    raise InputError(f"language {code[:40]!r} can't be read; expected {', '.join(LANGUAGES)}")


def open_language(code: str) -> Language:
    """The language of a BCP 47 code.

    Raises:
        InputError: it can't be read; names those that can.
    """
    known = known_language(code)
    opened: Language = import_module(f"dlpo.text.{_FOLDERS[known]}").open_language(known)
    return opened
