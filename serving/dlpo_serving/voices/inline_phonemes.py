"""Phonemes within a text, as Kokoro's users write them: `[Kokoro](/kˈOkəɹO/)`."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

from dlpo.text.common.language import Phonemes

# At least one letter or stress of IPA: `[docs](/docs/)` is a link.
_WRITTEN = re.compile(r"\[([^\[\]\n]{1,100})\]\(/(?=[^/()\n]*[^\x00-\x7f])([^/()\n]{1,200})/\)")
_SHORT = str.maketrans(  # letters of Kokoro's for two of IPA's, and what has a nearer sound
    {"A": "eɪ", "I": "aɪ", "O": "oʊ", "W": "aʊ", "Y": "ɔɪ", "Q": "əʊ", "ʤ": "dʒ", "ʧ": "tʃ",
     "T": "ɾ", "ᵊ": "ə", "ᵻ": "ɪ"}
)  # fmt: skip


def inline_phonemes(text: str, parse: Callable[[str], Phonemes]) -> tuple[str, dict[str, Phonemes]]:
    """The text with its words alone, where they were written, and how they are said.

    What can't be read stays as it is: a link, of whose address a warning says that it is silent.

    Args:
        parse: IPA; raises ValueError.
    """
    words: dict[str, Phonemes] = {}

    def read(match: re.Match[str]) -> str:
        written, sounds = match[1].split(), match[2].translate(_SHORT).split()
        with suppress(ValueError):
            said = [parse(sound) for sound in sounds]
            if len(written) == len(sounds):
                words.update(zip(map(str.lower, written), said, strict=True))
                return f" {match[1]}".ljust(len(match[0]))
        return match[0]

    return _WRITTEN.sub(read, text), words
