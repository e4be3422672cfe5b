"""The custom dictionary of a Riva request: "word  ipa,word  ipa"."""

from __future__ import annotations

from dlpo.text.ssml.phonemes import parse_ipa
from dlpo_serving.request import RequestError, Violation

FIELD = "custom_dictionary"


def read_dictionary(text: str) -> dict[str, str]:
    """Word -> ARPAbet phonemes with stress, as `SpeechRequest.dictionary` wants them.

    Args:
        text: entries of a word, two blanks and its pronunciation in IPA, separated by commas.

    Raises:
        RequestError: an entry is something else, or has a sound that English lacks.
    """
    found = {}
    for entry in text.split(","):
        word, blanks, pronunciation = entry.strip().partition("  ")
        if blanks:
            found[word] = _arpabet(word, pronunciation)
        elif word:
            message = f"has {word[:40]!r}; expected a word, two blanks and its pronunciation in IPA"
            raise RequestError(Violation(FIELD, message))
    return found


def _arpabet(word: str, pronunciation: str) -> str:
    try:
        return " ".join(parse_ipa(pronunciation))
    except ValueError as error:
        raise RequestError(Violation(FIELD, f"{word[:40]!r}: {error}")) from error
