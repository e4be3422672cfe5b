"""What a client sends, and what it makes of the parts that come back; without any channel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo.v1 import speech_pb2
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.request import SpeechRequest
from dlpo_serving.v1.wire import decode_samples, encoding_message

Part = speech_pb2.StreamSynthesizeResponse | speech_pb2.IncrementalSynthesizeResponse
Piece = str | speech_pb2.Flush
TimeDetail = Literal["none", "words", "phonemes"]

_TIME_DETAILS = {
    "none": speech_pb2.TIME_DETAIL_NONE,
    "words": speech_pb2.TIME_DETAIL_WORDS,
    "phonemes": speech_pb2.TIME_DETAIL_PHONEMES,
}


@dataclass(frozen=True, slots=True)
class ReplyFormat:
    """What a reply is to hold."""

    encoding: Encoding = Encoding.PCM_F32
    """how the samples are written as bytes"""
    sample_rate_hz: int | None = None
    """8,000 to 48,000; None is the voice's own"""
    times: TimeDetail = "words"
    """what is said about when words are spoken"""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the audio; the pieces follow each other without a gap."""

    message: speech_pb2.AudioChunk
    """as it came: `audio`, `sample_offset`, `sentence`, `words` and `marks`, see the .proto file"""
    encoding: speech_pb2.AudioEncoding

    @property
    def audio(self) -> bytes:
        """The bytes of this piece, in the stream's format; perhaps none."""
        return self.message.audio

    @property
    def sample_offset(self) -> int:
        """Place of the first sample in the whole audio."""
        return self.message.sample_offset

    @property
    def sentence(self) -> int:
        """Index of the sentence; the pause after it belongs to it."""
        return self.message.sentence

    @property
    def samples(self) -> Waveform:
        """(T,) float32; raises InputError unless the encoding is linear PCM."""
        return decode_samples(self.audio, self.encoding)


@dataclass(frozen=True, slots=True)
class SynthesisResult:
    """A whole utterance."""

    message: speech_pb2.SynthesizeResponse
    """as it came: `info`, `audio`, `totals`, `words` and `marks`, see the .proto file"""

    @property
    def audio(self) -> bytes:
        """The bytes, in the format of `message.info.format`."""
        return self.message.audio

    @property
    def samples(self) -> Waveform:
        """(T,) float32; raises InputError unless the encoding is linear PCM."""
        return decode_samples(self.audio, self.message.info.format.encoding)


class Reply:
    """The parts of one stream, as far as they have come."""

    def __init__(self) -> None:
        self.info: speech_pb2.SpeechInfo | None = None
        self.totals: speech_pb2.SpeechTotals | None = None
        self.heard = False
        """whether audio has come: from then on, trying again would say things twice"""

    def take(self, part: Part) -> Chunk | None:
        """The next part; the audio in it, if that is what it has."""
        if part.HasField("info"):
            self.info = part.info
        elif part.HasField("totals"):
            self.totals = part.totals
        elif part.HasField("audio") and self.info is not None:
            self.heard = True
            return Chunk(part.audio, self.info.format.encoding)
        return None


Text = TypeVar("Text", speech_pb2.SynthesizeRequest, speech_pb2.StreamSynthesizeRequest)


def text_message(kind: type[Text], request: SpeechRequest, voice: str, reply: ReplyFormat) -> Text:
    """A request that has the whole text.

    Raises:
        InputError: a value is none that a message can hold.
    """
    text = {"ssml" if request.ssml else "text": request.text}
    with _sendable():
        return kind(config=_config(request, voice, reply), **text)


def first_messages(
    request: SpeechRequest, voice: str, reply: ReplyFormat
) -> list[speech_pb2.IncrementalSynthesizeRequest]:
    """The messages of IncrementalSynthesize before any piece; raises as `text_message`."""
    if request.ssml:
        raise InputError("an SSML document can't come in pieces; send it whole, or plain text")
    with _sendable():
        config = _config(request, voice, reply)
        first = speech_pb2.IncrementalSynthesizeRequest(config=config)
    return [first, piece_message(request.text)] if request.text else [first]


def piece_message(piece: Piece) -> speech_pb2.IncrementalSynthesizeRequest:
    """A further message of IncrementalSynthesize; raises as `text_message`."""
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
        dictionary=request.dictionary,
        encoding=encoding_message(reply.encoding),
        sample_rate_hz=reply.sample_rate_hz or 0,
        time_detail=_TIME_DETAILS[reply.times],
        code=f"CODE_READING_{request.code.upper()}",
        emoji=f"EMOJI_READING_{request.emoji.upper()}",
    )


@contextmanager
def _sendable() -> Iterator[None]:
    try:
        yield
    except InputError:  # says more
        raise
    except ValueError as error:  # a lone surrogate, or a number that a field can't hold
        raise InputError(f"the request can't be sent: {error}") from error
