"""What a caller asks for, and its validation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from dlpo.bundle import Manifest
from dlpo.text.common.reading import CODE, EMOJI
from dlpo.text.common.ssml import document_language, is_ssml
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.errors import FieldViolation, RequestError, shortened

MAX_SEED = 2**32 - 1
VOLUME_DB = (-40.0, 12.0)  # range: nearly silent to limited throughout


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
    dictionary: Mapping[str, str] = field(default_factory=dict)
    """word -> ARPAbet phonemes with stress; takes precedence over the voice's own dictionary"""
    ssml: bool = False
    """the text is an SSML document, even if it does not begin with <speak>"""
    volume_db: float = 0.0
    """gain in decibels; peaks are limited, they never clip"""
    code: str = CODE[0]
    """how blocks of code in the text are handled: one of `CODE`"""
    emoji: str = EMOJI[0]
    """how emoji are handled: one of `EMOJI`"""
    language: str = ""
    """of the text, BCP 47; the voice's own if empty"""

    def __post_init__(self) -> None:
        """A text that begins with <speak> is SSML over every API."""
        object.__setattr__(self, "ssml", self.ssml or is_ssml(self.text))


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


def check_request(request: SpeechRequest, manifest: Manifest) -> int:
    """Check every field except text and dictionary against what the voice supports.

    Returns:
        Reverse steps, N.

    Raises:
        RequestError: names every invalid field.
    """
    found = []
    ranges = {
        "speed": (request.speed, manifest.prosody.speed),
        "pitch_semitones": (request.pitch_semitones, manifest.prosody.pitch_semitones),
        "volume_db": (request.volume_db, VOLUME_DB),
    }
    for name, (value, (low, high)) in ranges.items():
        if not (math.isfinite(value) and low <= value <= high):
            found.append(FieldViolation(name, f"is {value:g}; expected {low:g} to {high:g}"))
    if not 0 <= request.seed <= MAX_SEED:
        found.append(
            FieldViolation("seed", f"is {shortened(str(request.seed))}; expected 0 to {MAX_SEED}")
        )
    if request.steps is not None and request.steps not in manifest.available_steps:
        offer = ", ".join(map(str, manifest.available_steps))
        message = f"is {shortened(str(request.steps))}; voice {manifest.voice!r} has {offer}"
        found.append(FieldViolation("steps", message))
    for name, given, known in (("code", request.code, CODE), ("emoji", request.emoji, EMOJI)):
        if given not in known:
            message = f"is {shortened(given)!r}; expected {', '.join(known)}"
            found.append(FieldViolation(name, message))
    if violation := _language_violation(request, manifest):
        found.append(violation)
    if found:
        raise RequestError(*found)
    return request.steps or manifest.steps


def _language_violation(request: SpeechRequest, manifest: Manifest) -> FieldViolation | None:
    """What is wrong if the voice doesn't speak the language of the request or of its document."""
    language = request.language or document_language(request.text)
    if manifest.speaks(language.replace("_", "-")):
        return None
    what = f"is {shortened(language)!r}; voice {manifest.voice!r} speaks {manifest.language}"
    if request.language:
        return FieldViolation("language", what)
    return FieldViolation("text", f"its xml:lang {what}; a passage may be put into <lang>")
