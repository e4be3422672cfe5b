"""What a caller asks for, and its validation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from html import unescape
from typing import Annotated, Any, Literal, NoReturn

from dlpo.bundle import MAX_VOICE_NAME, Manifest
from dlpo.config.fields import HIDDEN, As, Flag, Range, parts_of
from dlpo.config.strict import Before, WrongValueError, converted
from dlpo.text.common.language import Phonemes
from dlpo.text.common.reading import Code, Dates, Emoji
from dlpo.text.common.ssml import SSML, document_language, is_ssml
from dlpo.text.symbols import MAX_WRITTEN
from dlpo_serving.errors import FieldViolation, RequestError, shortened, wrong_value

MAX_SETTING = 100  # characters of a setting, a language or any other short value
MAX_WORDS, MAX_DICTIONARY = 1_000, 100_000  # words in a dictionary; characters of all of it
VOLUME = Range(ge=-40, le=12)  # nearly silent to limited throughout, in dB
MAX_FIRST_AUDIO_MS = 60_000
MAX_WORD = 100  # characters of a word in it; its pronunciation may have `MAX_WRITTEN`

Alphabet = Literal["arpabet", "ipa"]

PAUSES = ("sentence_pause_s", "paragraph_pause_s", "lead_in_s")
Pause = Annotated[float, Range(ge=0, le=10)]
Length = Annotated[float, Range(ge=0.1, le=3_600)]
OPTIONAL = (*PAUSES, "duration_s")  # numbers that may be unset

_MARKUP = re.compile(r"(?:<[^<>]{0,2000}>)+([.,;:!?…]*)|(&#?\w{1,10};)")


def _plain(markup: re.Match[str]) -> str:
    """Blanks for tags, after the marks that follow them; a character for an entity."""
    return (markup[1] or unescape(markup[2] or "")).ljust(len(markup[0]))


def _ssml(value: Any) -> Any:
    """How a document is read: true and false are written for the usual way, and for no document."""
    return SSML[0] if value is True else "" if value is False else value


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A text and how to speak it."""

    text: str
    speed: float = 1.0
    """Speaking rate; 2 is twice as fast."""
    pitch_semitones: Annotated[float, Flag("--pitch")] = 0.0
    """Pitch shift in semitones; 12 is an octave up."""
    seed: Annotated[int, Range(ge=0, le=2**32 - 1)] = 0
    """Noise seed; the same seed gives the same audio."""
    steps: int | None = None
    """Reverse diffusion steps: more take longer; by default, the voice's own number."""
    dictionary: Mapping[str, str | Phonemes] = field(default_factory=dict)
    """Word -> phonemes with stress, such as {"dlpo": "D IY1 EH1 L P IY1 OW1"}; replaces the voice's
    own ones."""
    ssml: Annotated[str | bool, As(Literal["", "lenient", "strict"]), Before(_ssml)] = ""
    """Read the text as SSML even if it doesn't begin with `<speak>`; what can't be followed is a
    warning, or if strict an error."""
    volume_db: Annotated[float, VOLUME, Flag("--volume")] = 0.0
    """Gain in decibels; peaks are limited, they never clip."""
    code: Annotated[str, As(Code)] = "announce"
    """Announce, speak or skip code blocks."""
    emoji: Annotated[str, As(Emoji)] = "skip"
    """Skip emoji or say their names."""
    language: str = ""
    """Language of the text, such as es-MX; by default, the voice's own."""
    dates: Annotated[str, As(Dates)] = "usual"
    """Order in dates such as 5/3/2024; by default, the language's."""
    directions: bool = False
    """Speak stage directions such as [laughs]."""
    alphabet: Annotated[Alphabet, HIDDEN] = "arpabet"
    """Of the phonemes in the dictionary; tuples are ARPAbet that has been checked."""
    sentence_pause_s: Annotated[Pause | None, Flag("--sentence-pause")] = None
    """Seconds between sentences, besides the last mark's; by default 0.2 at speed 1."""
    paragraph_pause_s: Annotated[Pause | None, Flag("--paragraph-pause")] = None
    """Seconds after an empty line; by default 0.5 at speed 1."""
    lead_in_s: Annotated[Pause | None, Flag("--lead-in")] = None
    """Seconds of silence before the first sentence, for loudspeakers that lose the start."""

    duration_s: Annotated[Length | None, Flag("--duration")] = None
    """Seconds that the whole text lasts, pauses included, in place of a speed: exact within 0.7 to
    1.6 times the voice's own pace; a text that doesn't fit gets a warning."""

    @property
    def written(self) -> str:
        """The text, with blanks for SSML's markup, so that places in it stay."""
        return _MARKUP.sub(_plain, self.text) if self.ssml else self.text

    def __post_init__(self) -> None:
        """A text that begins with <speak> is SSML over every API.

        Raises:
            RequestError: a field is of the wrong kind or out of range; the dictionary or the
                language is too long.
        """
        check_length("language", self.language)
        kinds = parts_of(SpeechRequest)
        values = {name: getattr(self, name) for name in kinds if name != "dictionary"}
        wrong = converted(kinds, values)[1]
        if wrong:
            raise RequestError(*map(violation, wrong))
        if self.duration_s is not None and self.speed != 1:
            both = f"is {self.speed:g} beside duration_s, which sets the pace; leave one out"
            raise RequestError(FieldViolation("speed", both))
        check_dictionary(self.dictionary)
        found = self.ssml or is_ssml(self.text)
        object.__setattr__(self, "ssml", SSML[0] if found is True else found or "")


def violation(misfit: WrongValueError) -> FieldViolation:
    """A value that isn't what its annotation says, for a caller."""
    given = "absent" if misfit.value is None else shortened(repr(misfit.value))
    return FieldViolation(misfit.where, f"is {given}; expected {misfit.expected}")


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
    """sent while it is made; otherwise when complete"""
    file: bool = False
    """a whole file, which may wait for its turn; otherwise somebody listens while it is made"""
    first_audio_ms: float | None = None
    """the latest first audio that the caller accepts, which makes the call a live one; None: the
    server's limit if it is one"""

    def __post_init__(self) -> None:
        """Raises RequestError if the voice's name is too long, or the time is none."""
        check_length("voice", self.voice, MAX_VOICE_NAME)
        if (named := self.first_audio_ms) is not None and not 0 < named <= MAX_FIRST_AUDIO_MS:
            expected = f"above 0, at most {MAX_FIRST_AUDIO_MS} ms"
            raise wrong_value("first_audio_ms", named, expected)

    @property
    def live(self) -> bool:
        """Whether the call is heard in time or refused at once, and never waits."""
        return not self.file or self.first_audio_ms is not None


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
    if not isinstance(dictionary, Mapping):
        raise wrong_value(field, dictionary, "words with their phonemes")
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


def check_whole(request: SpeechRequest) -> None:
    """Reject a text in pieces that is to last so long: its pace would depend on what comes later.

    Raises:
        RequestError: it has `duration_s`.
    """
    if request.duration_s is not None:
        what = "needs the whole text at once; send it in one piece, or leave duration_s out"
        raise RequestError(FieldViolation("duration_s", what))


def size_of(dictionary: Mapping[str, object]) -> int:
    """Characters of a dictionary, which are charged like those of a text."""
    return sum(
        len(word) + len(phonemes) if isinstance(phonemes, str) else len(word)
        for word, phonemes in dictionary.items()
    )


def check_request(request: SpeechRequest, manifest: Manifest) -> int:
    """Check speed, pitch, steps and language against what the voice supports.

    Returns:
        Reverse steps, N.

    Raises:
        RequestError: names every invalid field.
    """
    found = []
    prosody = manifest.prosody
    for name, value, (low, high) in (
        ("speed", request.speed, prosody.speed),
        ("pitch_semitones", request.pitch_semitones, prosody.pitch_semitones),
    ):
        if not low <= value <= high:
            found.append(FieldViolation(name, f"is {value:g}; expected {low:g} to {high:g}"))
    if request.steps is not None and request.steps not in manifest.available_steps:
        offer = ", ".join(map(str, manifest.available_steps))
        message = f"is {shortened(str(request.steps))}; voice {manifest.voice!r} has {offer}"
        found.append(FieldViolation("steps", message))
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
