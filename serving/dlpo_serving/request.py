"""What a caller asks for, and its validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from numbers import Integral, Real
from typing import Literal, NoReturn

from dlpo.bundle import MAX_VOICE_NAME, Manifest
from dlpo.text.common.language import Phonemes
from dlpo.text.common.reading import CODE, DATES, EMOJI
from dlpo.text.common.ssml import SSML, document_language, is_ssml
from dlpo.text.symbols import MAX_WRITTEN
from dlpo_serving.errors import FieldViolation, RequestError, shortened, wrong_value

MAX_SEED = 2**32 - 1
MAX_SETTING = 100  # characters of a setting, a language or any other short value
MAX_WORDS, MAX_DICTIONARY = 1_000, 100_000  # words in a dictionary; characters of all of it
MAX_WORD = 100  # characters of a word in it; its pronunciation may have `MAX_WRITTEN`
PAUSE_S = (0.0, 10.0)  # range of pauses that a caller sets
VOLUME_DB = (-40.0, 12.0)  # range: nearly silent to limited throughout

PAUSES = ("sentence_pause_s", "paragraph_pause_s", "lead_in_s")
_PAUSE_RANGES = tuple((name, PAUSE_S) for name in PAUSES)

KINDS: Mapping[str, tuple[type, Sequence[str]]] = {
    "text": (str, ("text", "code", "emoji", "dates", "language")),
    "a number": (Real, ("speed", "pitch_semitones", "volume_db", *PAUSES)),
    "a whole number": (Integral, ("seed", "steps")),
    "words with their phonemes": (Mapping, ("dictionary",)),
    "true or false": (bool, ("directions",)),
}
OPTIONAL = ("steps", *PAUSES)

Alphabet = Literal["arpabet", "ipa"]


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A text and how to speak it."""

    text: str
    speed: float = 1.0
    """factor of the voice's own pace; 2 takes half the time"""
    pitch_semitones: float = 0.0
    """shift of the pitch; 12 is an octave up"""
    seed: int = 0
    """of the noise; the same seed gives the same audio"""
    steps: int | None = None
    """reverse diffusion steps; the voice's default if None"""
    dictionary: Mapping[str, str | Phonemes] = field(default_factory=dict)
    """word -> phonemes with stress; takes precedence over the voice's own dictionary"""
    ssml: str | bool = ""
    """how the text is read as an SSML document, one of `SSML`; "" (or False): only if it begins
    with <speak>, and then leniently, as True does"""
    volume_db: float = 0.0
    """gain in decibels; peaks are limited, they never clip"""
    code: str = CODE[0]
    """how blocks of code in the text are handled: one of `CODE`"""
    emoji: str = EMOJI[0]
    """how emoji are handled: one of `EMOJI`"""
    language: str = ""
    """of the text, BCP 47; the voice's own if empty"""
    dates: str = DATES[0]
    """order of day and month in dates in numbers: one of `DATES`"""
    directions: bool = False
    """stage directions such as [laughs] are spoken"""
    alphabet: Alphabet = "arpabet"
    """of the phonemes in the dictionary; tuples are ARPAbet that has been checked"""
    sentence_pause_s: float | None = None
    """silence between sentences, besides the last mark's; None: `SENTENCE_PAUSE_S` at speed 1"""
    paragraph_pause_s: float | None = None
    """the same after an empty line; None: `PARAGRAPH_PAUSE_S` at speed 1"""
    lead_in_s: float | None = None
    """silence before the first sentence, which some loudspeakers need; None: none"""

    def __post_init__(self) -> None:
        """A text that begins with <speak> is SSML over every API.

        Raises:
            RequestError: a field is of the wrong kind; the dictionary or the language is too long.
        """
        _check_kinds(self)
        check_dictionary(self.dictionary)
        check_length("language", self.language)
        found = self.ssml or is_ssml(self.text)
        object.__setattr__(self, "ssml", SSML[0] if found is True else found or "")


def _check_kinds(request: SpeechRequest) -> None:
    for words, (kind, names) in KINDS.items():
        for name in names:
            value = getattr(request, name)
            is_wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
            if is_wrong and not (value is None and name in OPTIONAL):
                raise wrong_value(name, value, words)


class Encoding(StrEnum):
    """How samples are encoded as bytes: mono, little-endian.

    `Encoding("no such")` raises RequestError, like every other bad value of a request.
    """

    PCM_S16 = "pcm_s16"
    """signed 16-bit integers, no header; 32767 is full scale"""
    PCM_F32 = "pcm_f32"
    """IEEE 754 32-bit floats, no header; 1.0 is full scale"""
    WAV = "wav"
    """`PCM_S16` after a header that leaves the length open (0xFFFFFFFF)"""
    FLAC = "flac"
    """16-bit, lossless"""
    OGG_OPUS = "ogg_opus"
    """RFC 7845"""
    OPUS_FRAMED = "opus_framed"
    """repeated `[int32 length][Opus packet of 20 ms]`, which Riva calls OGGOPUS"""
    MP3 = "mp3"
    AAC = "aac"
    """AAC-LC in ADTS frames"""
    MULAW = "mulaw"
    """G.711, one byte per sample"""
    ALAW = "alaw"
    """G.711, one byte per sample"""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        known = ", ".join(cls)
        raise RequestError(FieldViolation("encoding", f"is {value!r}; this server knows {known}"))


@dataclass(frozen=True, slots=True)
class SynthesisCall:
    """What a caller wants, over any API."""

    request: SpeechRequest
    """how to speak; its text is empty if the text comes in pieces"""
    voice: str = ""
    """the server's default if empty"""
    encoding: Encoding = Encoding.PCM_S16
    sample_rate_hz: int | None = None
    """of the reply; None means that of `usual_format`"""
    timeout_s: float | None = None
    """seconds after which the caller gives up"""
    streamed: bool = True
    """played while it is made; otherwise sent when complete"""

    def __post_init__(self) -> None:
        """Raises RequestError if the voice's name is too long."""
        check_length("voice", self.voice, MAX_VOICE_NAME)


def check_length(field: str, value: object, most: int = MAX_SETTING) -> None:
    """Reject a string that is longer than any valid value, before anything else reads it.

    What takes a string from a caller, over any API, calls this first; only texts have no bound
    here, since they are read in slices and after admission. Other types pass.

    Raises:
        RequestError: the string has more than `most` characters.
    """
    if isinstance(value, str) and len(value) > most:
        message = f"has {len(value)} characters; expected {most} at most"
        raise RequestError(FieldViolation(field, message))


def check_dictionary(dictionary: Mapping[str, object], field: str = "dictionary") -> None:
    """Reject a dictionary with too many words, or with one that is too long; see `check_length`.

    Raises:
        RequestError: `field` names the dictionary.
    """
    if not dictionary:
        return
    if len(dictionary) > MAX_WORDS:
        message = f"has {len(dictionary)} words; expected {MAX_WORDS} at most"
        raise RequestError(FieldViolation(field, message))
    for word, phonemes in dictionary.items():
        if not isinstance(word, str) or not isinstance(phonemes, str | tuple | list):
            message = f"has {shortened(repr(word))}: {shortened(repr(phonemes))}; expected words"
            raise RequestError(FieldViolation(field, f"{message} with their phonemes"))
        check_length(field, word, MAX_WORD)
        check_length(field, phonemes, MAX_WRITTEN)
    if (size := size_of(dictionary)) > MAX_DICTIONARY:
        message = f"has {size} characters; expected {MAX_DICTIONARY} at most"
        raise RequestError(FieldViolation(field, message))


def size_of(dictionary: Mapping[str, object]) -> int:
    """Characters of a dictionary, which are charged like those of a text."""
    return sum(
        len(word) + len(phonemes) if isinstance(phonemes, str) else len(word)
        for word, phonemes in dictionary.items()
    )


def check_request(request: SpeechRequest, manifest: Manifest) -> int:
    """Check every field except text and dictionary against what the voice supports.

    Returns:
        Reverse steps, N.

    Raises:
        RequestError: names every invalid field.
    """
    found = []
    ranges = (
        *_PAUSE_RANGES,
        ("speed", manifest.prosody.speed),
        ("pitch_semitones", manifest.prosody.pitch_semitones),
        ("volume_db", VOLUME_DB),
    )
    for name, (low, high) in ranges:
        value = getattr(request, name)
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            found.append(FieldViolation(name, f"is {value:g}; expected {low:g} to {high:g}"))
    if not 0 <= request.seed <= MAX_SEED:
        found.append(
            FieldViolation("seed", f"is {shortened(str(request.seed))}; expected 0 to {MAX_SEED}")
        )
    if request.steps is not None and request.steps not in manifest.available_steps:
        offer = ", ".join(map(str, manifest.available_steps))
        message = f"is {shortened(str(request.steps))}; voice {manifest.voice!r} has {offer}"
        found.append(FieldViolation("steps", message))
    for name, given, known in (
        ("code", request.code, CODE),
        ("emoji", request.emoji, EMOJI),
        ("dates", request.dates, DATES),
        ("ssml", str(request.ssml), ("", *SSML)),
    ):
        if given not in known:
            message = f"is {shortened(given)!r}; expected {', '.join(filter(None, known))}"
            found.append(FieldViolation(name, message))
    language = request.language or (document_language(request.text) if request.ssml else "")
    if language and not manifest.speaks(language.replace("_", "-")):
        found.append(_language_violation(language, request, manifest))
    if found:
        raise RequestError(*found)
    return request.steps or manifest.steps


def _language_violation(
    language: str, request: SpeechRequest, manifest: Manifest
) -> FieldViolation:
    """What is wrong if the voice doesn't speak the language of the request or of its document."""
    what = f"is {shortened(language)!r}; voice {manifest.voice!r} speaks {manifest.language}: name"
    bundle = manifest.of_voices
    if any(one.speaks(language.replace("_", "-")) for one in bundle):
        what += " that, or a voice that speaks yours"
    else:
        what += f" {' or '.join(dict.fromkeys(one.language for one in bundle))}"
    if request.language:
        return FieldViolation("language", what)
    return FieldViolation("text", f"its xml:lang {what}; a passage may be put into <lang>")
