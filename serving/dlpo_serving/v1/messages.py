"""Messages of `dlpo.v1` in the words of the rest of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from dlpo.bundle import Manifest
from dlpo.v1 import speech_pb2
from dlpo_serving.audio_stream import AudioStream, EncodedChunk, SpeechInfo
from dlpo_serving.call import SynthesisCall
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.registration import Undecodable, decoded
from dlpo_serving.request import VOLUME_DB, SpeechRequest
from dlpo_serving.rpc.statuses import FieldPath
from dlpo_serving.synthesis.timing import MarkTiming, WordTiming
from dlpo_serving.v1.wire import encoding_message, field_path, read_encoding
from dlpo_serving.written_text import Flush

Incoming = AsyncIterator[speech_pb2.IncrementalSynthesizeRequest | Undecodable]


class TextRequest(Protocol):
    """SynthesizeRequest or StreamSynthesizeRequest."""

    text: str
    ssml: str

    @property
    def config(self) -> speech_pb2.SynthesisConfig: ...


def read_call(request: TextRequest, timeout_s: float | None, streamed: bool) -> SynthesisCall:
    """What a caller wants who sends the whole text.

    Raises:
        RequestError: both text and SSML are set, or the encoding is unknown.
    """
    if request.text and request.ssml:
        raise RequestError(FieldViolation("ssml", "is set beside text; send one of the two"))
    text, ssml = request.ssml or request.text, bool(request.ssml)
    return config_call(request.config, timeout_s, streamed, text, ssml)


def field_path_in(request: TextRequest | Undecodable) -> FieldPath:
    """`field_path`, where the text may be SSML."""
    if isinstance(request, Undecodable) or not request.ssml:
        return field_path
    return lambda name: "ssml" if name == "text" else field_path(name)


def config_call(
    config: speech_pb2.SynthesisConfig,
    timeout_s: float | None,
    streamed: bool,
    text: str = "",
    ssml: bool = False,
) -> SynthesisCall:
    """What a caller wants; the values are checked where they are used.

    Raises:
        RequestError: the encoding is unknown.
    """
    request = SpeechRequest(
        text=text,
        speed=config.speed if config.HasField("speed") else 1.0,
        pitch_semitones=config.pitch_semitones,
        seed=config.seed,
        steps=config.steps or None,
        dictionary=dict(config.dictionary),
        ssml=ssml,
        volume_db=config.volume_db,
    )
    return SynthesisCall(
        request=request,
        voice=config.voice,
        encoding=read_encoding(config.encoding),
        sample_rate_hz=config.sample_rate_hz or None,
        timeout_s=timeout_s,
        streamed=streamed,
    )


async def read_config(messages: Incoming) -> speech_pb2.SynthesisConfig:
    """The first message of a text in pieces.

    Raises:
        RequestError: it is missing, or something else.
        UndecodableError: its bytes are no message.
    """
    got = "nothing"
    async for incoming in messages:
        message = decoded(incoming)
        if message.HasField("config"):
            return message.config
        got = message.WhichOneof("part") or got
        break
    raise RequestError(FieldViolation("config", f"must come first; got {got}"))


async def read_pieces(messages: Incoming) -> AsyncIterator[str | Flush]:
    """The text of the messages after the first.

    Raises:
        RequestError: the settings come again, or a message says nothing.
        UndecodableError: the bytes of a message are none.
    """
    async for incoming in messages:
        message = decoded(incoming)
        match message.WhichOneof("part"):
            case "text":
                yield message.text
            case "flush":
                yield Flush()
            case "config":
                expected = "settings can't change within a call; begin another one for them"
                raise RequestError(FieldViolation("config", f"came twice; {expected}"))
            case None:
                raise RequestError(FieldViolation("part", "is not set; expected text or flush"))


TimeDetail = speech_pb2.TimeDetail


class ReplyWriter:
    """Writes the messages of one call, whose info has the sample rate that times are told in."""

    def __init__(self, info: SpeechInfo, detail: TimeDetail, text_is_known: bool = True) -> None:
        """`text_is_known` before the first sound, and not only after the last one."""
        self._info = info
        self._detail = detail
        self._text_is_known = text_is_known
        self._rate_hz = info.format.sample_rate_hz

    def info(self) -> speech_pb2.SpeechInfo:
        """What is known before the first sound."""
        encoding = encoding_message(self._info.format.encoding)
        message = speech_pb2.SpeechInfo(
            format=speech_pb2.AudioFormat(encoding=encoding, sample_rate_hz=self._rate_hz),
            voice=self._info.manifest.voice,
        )
        if self._text_is_known:
            self._tell_text(message)
        return message

    def chunk(self, piece: EncodedChunk) -> speech_pb2.AudioChunk:
        """A piece of the audio."""
        return speech_pb2.AudioChunk(
            audio=piece.audio,
            sample_offset=piece.sample_offset,
            sentence=piece.sentence,
            words=self.words(piece.words),
            marks=self.marks(piece.marks),
        )

    def totals(self, speech: AudioStream) -> speech_pb2.SpeechTotals:
        """What is known after the last sound."""
        totals = speech.totals
        assert totals  # the last piece was taken
        message = speech_pb2.SpeechTotals(
            samples=totals.samples,
            audio_s=totals.audio_s,
            steps=self._info.steps,
            seed=self._info.seed,
        )
        if not self._text_is_known:
            self._tell_text(message)
        return message

    def words(self, words: Iterable[WordTiming]) -> list[speech_pb2.WordTime]:
        """The times of words, as far as the caller wants them."""
        if self._detail == speech_pb2.TIME_DETAIL_NONE:
            return []
        return [self._word(word) for word in words]

    def marks(self, marks: Iterable[MarkTiming]) -> list[speech_pb2.MarkTime]:
        """The times of the marks of an SSML document."""
        return [
            speech_pb2.MarkTime(
                name=mark.name, time_s=mark.sample / self._rate_hz, sample=mark.sample
            )
            for mark in marks
        ]

    def _tell_text(self, message: speech_pb2.SpeechInfo | speech_pb2.SpeechTotals) -> None:
        message.processed_text = self._info.processed_text
        message.dropped_characters = self._info.dropped_characters

    def _word(self, word: WordTiming) -> speech_pb2.WordTime:
        wanted = word.phonemes if self._detail == speech_pb2.TIME_DETAIL_PHONEMES else ()
        phonemes = [
            speech_pb2.PhonemeTime(
                phoneme=phoneme.phoneme,
                start_s=phoneme.start / self._rate_hz,
                end_s=phoneme.stop / self._rate_hz,
                start_sample=phoneme.start,
                end_sample=phoneme.stop,
            )
            for phoneme in wanted
        ]
        return speech_pb2.WordTime(
            word=word.word,
            start_s=word.start / self._rate_hz,
            end_s=word.stop / self._rate_hz,
            start_sample=word.start,
            end_sample=word.stop,
            text_start=word.text_start,
            text_end=word.text_end,
            phonemes=phonemes,
        )


def voice_message(manifest: Manifest) -> speech_pb2.Voice:
    """What a voice can do."""
    slowest, fastest = manifest.prosody.speed
    lowest, highest = manifest.prosody.pitch_semitones
    softest, loudest = VOLUME_DB
    return speech_pb2.Voice(
        name=manifest.voice,
        language=manifest.language,
        sample_rate_hz=manifest.sample_rate_hz,
        steps=manifest.available_steps,
        default_steps=manifest.steps,
        speed=speech_pb2.Range(min=slowest, max=fastest),
        pitch_semitones=speech_pb2.Range(min=lowest, max=highest),
        licence=manifest.licence,
        volume_db=speech_pb2.Range(min=softest, max=loudest),
    )
