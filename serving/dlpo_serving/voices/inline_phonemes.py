"""What Kokoro's users write within a text: `[Kokoro](/kˈOkəɹO/)`, `[voice:bella]`, `[rate:1.2]`."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from xml.sax.saxutils import escape, quoteattr

from dlpo.text.common.language import Phonemes

# At least one letter or stress of IPA: `[docs](/docs/)` is a link.
_WRITTEN = re.compile(r"\[([^\[\]\n]{1,100})\]\(/(?=[^/()\n]*[^\x00-\x7f])([^/()\n]{1,200})/\)")
_TAG = re.compile(  # voice, speed, or length of a pause
    r"(?i)\[(?:voice:\s{0,4}([^\[\]\n]{1,80}?)|rate:\s{0,4}(\d{0,2}\.?\d{1,4})"
    r"|pause:\s{0,4}(\d{0,4}\.?\d{1,4}m?s))\s{0,4}\]"
)
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


def as_ssml(text: str) -> str:
    """The SSML of a text in which `[voice:]` holds to the next one, and `[rate:]` in that voice."""

    def phonemes(match: re.Match[str]) -> str:
        sounds = quoteattr(match[2].translate(_SHORT))
        return f'<phoneme alphabet="ipa" ph={sounds}>{match[1]}</phoneme>'

    first, *parts = _TAG.split(text)
    document = _WRITTEN.sub(phonemes, escape(first))
    voice = rate = ""
    for part in range(0, len(parts), 4):
        name, pace, pause, following = parts[part : part + 4]
        if name:
            voice, rate = name, ""
        rate = pace or rate
        said = _WRITTEN.sub(phonemes, escape(following))
        if rate:
            said = f'<prosody rate="{float(rate):.0%}">{said}</prosody>'
        if voice:
            said = f"<voice name={quoteattr(voice)}>{said}</voice>"
        document += f'<break time="{pause}"/>{said}' if pause else said
    return f"<speak>{document}</speak>"
