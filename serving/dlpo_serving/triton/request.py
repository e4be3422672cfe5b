"""What a client of the Triton front asks for: values by name -> the sentences to be spoken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dlpo.text import Sentence, Word
from dlpo.text.symbols import MARKS, PHONEMES
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.request import SpeechRequest, check_request
from dlpo_serving.synthesizer import PreparedRequest, Synthesizer

BOUNDARY = "|"  # between two words without a pause, in the input `phonemes`
SETTINGS = ("speed", "pitch_semitones", "seed", "steps")


def read_utterance(synthesizer: Synthesizer, values: Mapping[str, Any]) -> PreparedRequest:
    """The utterance that the inputs of one call describe.

    Args:
        values: `text` or `phonemes`, and any of `SETTINGS`, by name.

    Raises:
        RequestError: naming every field that is wrong.
    """
    texts = {name: values[name] for name in ("text", "phonemes") if name in values}
    if len(texts) != 1:
        message = f"got {' and '.join(texts) or 'neither'}; expected either text or phonemes"
        raise RequestError(FieldViolation("text", message))
    settings = {name: values[name] for name in SETTINGS if name in values}
    if "text" in texts:
        return synthesizer.read(SpeechRequest(texts["text"], **settings))
    request = SpeechRequest("", **settings)
    check_request(request, synthesizer.manifest)
    sentences = phoneme_sentences(texts["phonemes"])
    steps = request.steps or synthesizer.manifest.steps
    return PreparedRequest(request, sentences, steps, dropped_characters=0)


def phoneme_sentences(written: str) -> tuple[Sentence, ...]:
    """ARPAbet with stress -> sentences, one a line.

    A word ends with one of `, ; : . ! ? -` or, where no pause follows, with `|`; the end of a line
    needs none.

    Raises:
        RequestError: a symbol is none, or nothing is said.

    >>> [word.mark for word in phoneme_sentences("DH AH0 | F AA1 K S")[0].words]
    [' ', '.']
    """
    found = tuple(_sentence(line) for line in written.splitlines() if line.strip())
    if not found:
        raise RequestError(
            FieldViolation("phonemes", "is empty; expected such as 'HH AH0 L OW1 .'")
        )
    return found


def _sentence(line: str) -> Sentence:
    words: list[Word] = []
    phonemes: list[str] = []
    for symbol in line.split():
        if symbol in PHONEMES:
            phonemes.append(symbol)
        elif (mark := " " if symbol == BOUNDARY else symbol) in MARKS and phonemes:
            words.append(_word(phonemes, mark))
            phonemes = []
        else:
            message = (
                f"{symbol!r} is no phoneme, or a mark without a word before it; expected ARPAbet "
                f"with stress and one of {' '.join((BOUNDARY, *MARKS[1:]))} after each word"
            )
            raise RequestError(FieldViolation("phonemes", message))
    if phonemes:
        words.append(_word(phonemes, "."))
    elif words[-1].mark == " ":  # a boundary, but no word follows
        words[-1] = replace(words[-1], mark=".")
    return Sentence(line, " ".join(word.word for word in words), tuple(words))


def _word(phonemes: list[str], mark: str) -> Word:
    return Word(" ".join(phonemes), tuple(phonemes), mark, 0, 0)
