"""From a request's text to sentences. Needs no numpy: browsers read with it, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from dlpo.bundle import Manifest
from dlpo.errors import InputError, TextError
from dlpo.text import ProcessedText, TextFrontEnd
from dlpo.text.common.feed import TextFeed
from dlpo.text.common.front_end import parse_dictionary
from dlpo.text.common.reading import ReadingOptions
from dlpo.text.languages import ipa_parser
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices.inline_phonemes import inline_phonemes
from dlpo_serving.voices.names import voice_named

if TYPE_CHECKING:
    from dlpo.text.common.ssml.prosody import ProsodyLimits


class TextReader:
    """Converts the texts of requests to one voice. Safe to share between threads."""

    def __init__(self, manifest: Manifest, front_end: TextFrontEnd) -> None:
        """`manifest`: of the voice that speaks."""
        self.manifest = manifest
        self.front_end = front_end

    def parsed(self, request: SpeechRequest) -> SpeechRequest:
        """The request with its dictionary parsed, which takes up to 50 ms, and is then done.

        Raises:
            RequestError: the dictionary is invalid.
        """
        if not request.dictionary:
            return request
        with text_errors_as_violations():
            parse = None
            if request.alphabet == "ipa":
                parse = ipa_parser(request.language or self.manifest.language)
            words = parse_dictionary(request.dictionary, parse)
        return replace(request, dictionary=words, alphabet="arpabet")

    def read(self, request: SpeechRequest, looks_like: str | None = None) -> ProcessedText:
        """The sentences of a request whose numbers have been validated.

        `looks_like`: see `VoiceChoice.of`.

        Raises:
            RequestError: nothing in the text can be spoken, or the dictionary is invalid.
        """
        dictionary = self.parsed(request).dictionary if request.dictionary else None
        options = self._options(request, looks_like)
        with text_errors_as_violations():
            if not request.ssml:
                text = request.text
                if "](/" in text:
                    parse = ipa_parser(request.language or self.manifest.language)
                    text, said = inline_phonemes(text, parse)
                    dictionary = {**(dictionary or {}), **said}
                return self.front_end.process(text, dictionary, options)
            limits = self._limits_beside(request)
            return self.front_end.process_ssml(
                request.text, dictionary, limits, options, self._named
            )

    def feed(self, request: SpeechRequest) -> TextFeed:
        """A feed for text in pieces; wrap its calls in `text_errors_as_violations`.

        Raises:
            RequestError: the dictionary is invalid.
        """
        with text_errors_as_violations():
            return TextFeed(
                self.front_end, self.parsed(request).dictionary or None, self._options(request)
            )

    def _named(self, name: str) -> str:
        """What the bundle calls a voice that a document names; "" if it is the one that speaks.

        Raises:
            InputError: the bundle has no such voice.
        """
        offered = self.manifest.offered_voices
        voice = voice_named(name.strip(), offered)
        if voice in ("", self.manifest.voice):
            return ""
        if not self.manifest.mixes(voice):
            asked = name.strip()[:60]
            raise InputError(f"there is no voice {asked!r}, only {', '.join(offered)}")
        self.manifest.shares(voice)
        return voice

    def _limits_beside(self, request: SpeechRequest) -> ProsodyLimits:
        """Limits for SSML prosody, so that combined with the request's it stays in range."""
        from dlpo.text.common.ssml.prosody import ProsodyLimits

        slowest, fastest = self.manifest.prosody.speed
        lowest, highest = self.manifest.prosody.pitch_semitones
        return ProsodyLimits(
            speed=(slowest / request.speed, fastest / request.speed),
            pitch_semitones=(lowest - request.pitch_semitones, highest - request.pitch_semitones),
        )

    def _options(self, request: SpeechRequest, looks_like: str | None = None) -> ReadingOptions:
        """How the text of a request is read: in its language, or in that of the voice."""
        return ReadingOptions(
            request.code,
            request.emoji,
            request.language or self.manifest.language,
            request.dates,
            request.directions,
            request.ssml == "strict",
            looks_like,
        )


@contextmanager
def text_errors_as_violations() -> Iterator[None]:
    """Convert the front end's errors to violations of a request field."""
    try:
        yield
    except TextError as error:
        raise RequestError(FieldViolation("text", str(error))) from error
    except InputError as error:  # only the dictionary can raise it
        message = str(error).removeprefix("dictionary: ")
        raise RequestError(FieldViolation("dictionary", message)) from error
