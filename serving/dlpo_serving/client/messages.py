"""The client's request messages and its view of the replies; independent of any channel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo.v1 import speech_pb2
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.encodings.wire import decode_samples, encoding_message
from dlpo_serving.request import OPTIONAL, SpeechRequest

Part = speech_pb2.StreamSynthesizeResponse | speech_pb2.IncrementalSynthesizeResponse
Piece = str | speech_pb2.Flush
TimeDetail = Literal["none", "words", "phonemes"]

_TIME_DETAILS = {
    "none": speech_pb2.TIME_DETAIL_NONE,
    "words": speech_pb2.TIME_DETAIL_WORDS,
    "phonemes": speech_pb2.TIME_DETAIL_PHONEMES,
}
Text = TypeVar("Text", speech_pb2.SynthesizeRequest, speech_pb2.StreamSynthesizeRequest)


@dataclass(frozen=True, slots=True)
class ReplyFormat:
    """Encoding, sample rate and timestamps of a reply."""

    encoding: Encoding = Encoding.PCM_F32
    """how samples are encoded as bytes"""
    sample_rate_hz: int | None = None
    """8,000 to 48,000; None means the voice's own"""
    times: TimeDetail = "words"
    """level of detail of the timestamps"""
    first_audio_ms: float | None = None
    """the latest first audio, later than which the call is refused; None: the server's limit"""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the audio; consecutive pieces join without a gap."""

    message: speech_pb2.AudioChunk
    """as received: `audio`, `sample_offset`, `sentence`, `words`, `marks`; see the .proto file"""
    encoding: speech_pb2.AudioEncoding

    @property
    def audio(self) -> bytes:
        """The bytes of this piece, in the stream's format; may be empty."""
        return self.message.audio

    @property
    def sample_offset(self) -> int:
        """Index of the first sample in the whole audio."""
        return self.message.sample_offset

    @property
    def sentence(self) -> int:
        """Index of the sentence; the default pause between two belongs to the second."""
        return self.message.sentence

    @property
    def samples(self) -> Waveform:
        """(T,) float32; raises InputError unless the encoding is linear PCM."""
        return decode_samples(self.audio, self.encoding)


@dataclass(frozen=True, slots=True)
class SynthesisResult:
    """A complete utterance."""

    message: speech_pb2.SynthesizeResponse
    """as received: `info`, `audio`, `totals`, `words` and `marks`; see the .proto file"""

    @property
    def audio(self) -> bytes:
        """The bytes, in the format given by `message.info.format`."""
        return self.message.audio

    @property
    def samples(self) -> Waveform:
        """(T,) float32; raises InputError unless the encoding is linear PCM."""
        return decode_samples(self.audio, self.message.info.format.encoding)


class Reply:
    """The parts of one stream received so far."""

    def __init__(self) -> None:
        self.info: speech_pb2.SpeechInfo | None = None
        self.totals: speech_pb2.SpeechTotals | None = None
        self.heard = False
        """whether audio has arrived; a retry after that would repeat speech"""

    def take(self, part: Part) -> Chunk | None:
        """Process the next part; return its audio, if it has any."""
        if part.HasField("info"):
            self.info = part.info
        elif part.HasField("totals"):
            self.totals = part.totals
        elif part.HasField("audio") and self.info is not None:
            self.heard = True
            return Chunk(part.audio, self.info.format.encoding)
        return None


def text_message(
    kind: type[Text], request: SpeechRequest | str, voice: str, reply: ReplyFormat
) -> Text:
    """A request with the whole text; a string is a text with the default settings.

    Raises:
        InputError: a value does not fit its message field.
    """
    request = SpeechRequest(request) if isinstance(request, str) else request
    text = {"ssml" if request.ssml else "text": request.text}
    with _sendable():
        return kind(config=_config(request, voice, reply), **text)


def first_messages(
    request: SpeechRequest, voice: str, reply: ReplyFormat
) -> list[speech_pb2.IncrementalSynthesizeRequest]:
    """The IncrementalSynthesize messages before any piece; raises like `text_message`."""
    if request.ssml:
        raise InputError("an SSML document can't come in pieces; send it whole, or plain text")
    with _sendable():
        config = _config(request, voice, reply)
        first = speech_pb2.IncrementalSynthesizeRequest(config=config)
    return [first, piece_message(request.text)] if request.text else [first]


def piece_message(piece: Piece) -> speech_pb2.IncrementalSynthesizeRequest:
    """A further IncrementalSynthesize message; raises like `text_message`."""
    with _sendable():
        if isinstance(piece, str):
            return speech_pb2.IncrementalSynthesizeRequest(text=piece)
        return speech_pb2.IncrementalSynthesizeRequest(flush=piece)


def _config(request: SpeechRequest, voice: str, reply: ReplyFormat) -> speech_pb2.SynthesisConfig:
    return speech_pb2.SynthesisConfig(
        voice=voice,
        speed=request.speed,
        pitch_semitones=request.pitch_semitones,
        volume_db=request.volume_db,
        seed=request.seed,
        steps=request.steps or 0,
        dictionary={
            word: phonemes if isinstance(phonemes, str) else " ".join(phonemes)
            for word, phonemes in request.dictionary.items()
        },
        encoding=encoding_message(reply.encoding),
        sample_rate_hz=reply.sample_rate_hz or 0,
        time_detail=_TIME_DETAILS[reply.times],
        first_audio_ms=reply.first_audio_ms,
        code=f"CODE_READING_{request.code.upper()}",
        emoji=f"EMOJI_READING_{request.emoji.upper()}",
        language=request.language,
        dates=request.dates,
        directions=request.directions,
        ssml=str(request.ssml),
        **{name: getattr(request, name) for name in OPTIONAL},  # None leaves one unset
    )


@contextmanager
def _sendable() -> Iterator[None]:
    try:
        yield
    except InputError:  # already specific
        raise
    except ValueError as error:  # a lone surrogate, or a number out of the field's range
        raise InputError(f"the request can't be sent: {error}") from error
