"""The languages that can be read: each a folder of this package, loaded when it is first wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from dlpo.errors import InputError
from dlpo.text.common.language import Language, Phonemes

_FOLDERS = {"en-US": "en_us", "es-419": "es", "es-ES": "es"}
_NAMES = {"en-US": "English", "es-419": "Spanish", "es-ES": "Spanish"}  # as languages.tsv has them
LANGUAGES = tuple(_FOLDERS)
"""BCP 47; the first one is that of voices which name none"""


def known_language(code: str) -> str:
    """A BCP 47 code as writers give it -> that of `LANGUAGES` which comes nearest.

    The same language counts, then the same region: ``es-MX`` and ``es`` are read as ``es-419``.

    Raises:
        InputError: none is of that language; names those that can be read.
    """
    wanted = code.replace("_", "-").lower()
    for known in LANGUAGES:
        if known.lower() == wanted:
            return known
    for known in LANGUAGES:
        if known.partition("-")[0] == wanted.partition("-")[0]:
            return known
    raise InputError(f"language {code[:40]!r} can't be read; expected {', '.join(LANGUAGES)}")


def language_of(speaker: str | None, languages: Mapping[str, str]) -> str:
    """BCP 47, by `Provenance.languages`, which names those that don't speak American English."""
    return languages.get(speaker or "", LANGUAGES[0])


def open_language(code: str) -> Language:
    """The language of a BCP 47 code.

    Raises:
        InputError: it can't be read; names those that can.
    """
    known = known_language(code)
    opened: Language = import_module(f"dlpo.text.{_FOLDERS[known]}").open_language(known)
    return opened


def ipa_parser(code: str) -> Callable[[str], Phonemes]:
    """`Language.parse_ipa` of a BCP 47 code, without what else the language needs.

    Raises:
        InputError: it can't be read.
    """
    parse: Callable[[str], Phonemes]
    parse = import_module(f"dlpo.text.{_FOLDERS[known_language(code)]}.ipa").parse_ipa
    return parse


def language_name(code: str) -> str:
    """The name of the language of a BCP 47 code, in English; "" of one that can't be read."""
    try:
        return _NAMES[known_language(code)]
    except InputError:
        return ""


def language_named(name: str) -> str:
    """The first code of a language by its name; "" if it can't be read."""
    return next((code for code, its_name in _NAMES.items() if its_name == name), "")
