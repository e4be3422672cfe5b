"""A file of words and their phonemes, which overrides the lexicon."""

from __future__ import annotations

from pathlib import Path

from dlpo.errors import InputError, reading


def read_dictionary(path: Path | None) -> dict[str, str]:
    """Word -> phonemes, from a file in CMUdict's format; empty without one."""
    if path is None:
        return {}
    with reading(path, "UTF-8 text", InputError):
        return dictionary_of(path.read_text(encoding="utf-8-sig"))


def dictionary_of(text: str) -> dict[str, str]:
    """The same from the content of such a file."""
    entries = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {word: " ".join(spoken) for word, *spoken in entries}
