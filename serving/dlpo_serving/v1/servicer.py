"""`dlpo.v1.SpeechService` on grpc.aio, translated into calls of `SynthesisService`.

A slot is freed when the `async with` block ends, however the call does: grpc cancels the handler
when its caller disconnects.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from dlpo.bundle import Manifest
from dlpo.text.common.reading import DATES
from dlpo.v1 import speech_pb2
from dlpo_serving.audio_stream import AudioStream, EncodedChunk
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.operations.call_scope import current_call
from dlpo_serving.request import VOLUME_DB, SpeechRequest, SynthesisCall, check_dictionary
from dlpo_serving.rpc.statuses import Context
from dlpo_serving.service import Flush, SynthesisService, check_unary
from dlpo_serving.synthesis.timing import MarkTiming, WordTiming
from dlpo_serving.v1.wire import (
    CODE_READINGS,
    EMOJI_READINGS,
    encoding_message,
    field_path,
    read_encoding,
    ssml_field_path,
)

TimeDetail = speech_pb2.TimeDetail


def read_call(
    config: speech_pb2.SynthesisConfig,
    timeout_s: float | None,
    streamed: bool,
    text: str = "",
    ssml: str = "",
) -> SynthesisCall:
    """Build a call from a configuration and a text; values are validated where they are used.

    Raises:
        RequestError: both text and SSML are set, a string is too long, or the encoding is unknown.
    """
    if text and ssml:
        raise RequestError(FieldViolation("ssml", "is set in addition to text; send one of them"))
    check_dictionary(config.dictionary)  # before it is copied
    request = SpeechRequest(
        text=ssml or text,
        speed=config.speed if config.HasField("speed") else 1.0,
        pitch_semitones=config.pitch_semitones,
        seed=config.seed,
        steps=config.steps or None,
        dictionary=dict(config.dictionary),
        ssml=config.ssml or bool(ssml),
        volume_db=config.volume_db,
        code=CODE_READINGS.get(config.code, str(config.code)),
        emoji=EMOJI_READINGS.get(config.emoji, str(config.emoji)),
        language=config.language,
        dates=config.dates or DATES[0],
        directions=config.directions,
    )
    return SynthesisCall(
        request=request,
        voice=config.voice,
        encoding=read_encoding(config.encoding),
        sample_rate_hz=config.sample_rate_hz or None,
        timeout_s=timeout_s,
        streamed=streamed,
    )


def info_message(audio: AudioStream, text_is_known: bool = True) -> speech_pb2.SpeechInfo:
    """What is known before the first audio; the text only if it does not come in pieces."""
    return speech_pb2.SpeechInfo(
        format=speech_pb2.AudioFormat(
            encoding=encoding_message(audio.format.encoding),
            sample_rate_hz=audio.format.sample_rate_hz,
        ),
        voice=audio.manifest.voice,
        **(_text_fields(audio) if text_is_known else {}),
    )


def totals_message(audio: AudioStream, text_is_known: bool = True) -> speech_pb2.SpeechTotals:
    """What is known after the last audio; the text if `info_message` lacks it."""
    text = {} if text_is_known else _text_fields(audio)
    return speech_pb2.SpeechTotals(
        samples=audio.samples, audio_s=audio.audio_s, steps=audio.steps, seed=audio.seed, **text
    )


def _text_fields(audio: AudioStream) -> dict[str, Any]:
    return {
        "processed_text": audio.processed_text,
        "dropped_characters": audio.dropped_characters,
        "warnings": audio.warnings,
    }


def chunk_message(chunk: EncodedChunk, rate_hz: int, detail: TimeDetail) -> speech_pb2.AudioChunk:
    """The next chunk of audio; `rate_hz` is the reply's."""
    return speech_pb2.AudioChunk(
        audio=chunk.audio,
        sample_offset=chunk.sample_offset,
        sentence=chunk.sentence,
        words=word_messages(chunk.words, rate_hz, detail),
        marks=mark_messages(chunk.marks, rate_hz),
    )


def word_messages(
    words: tuple[WordTiming, ...], rate_hz: int, detail: TimeDetail
) -> list[speech_pb2.WordTime]:
    """Word timestamps, in the detail that the caller asked for."""
    if detail == speech_pb2.TIME_DETAIL_NONE:
        return []
    messages = []
    for word in words:
        message = speech_pb2.WordTime(
            word=word.word,
            start_s=word.start / rate_hz,
            end_s=word.stop / rate_hz,
            start_sample=word.start,
            end_sample=word.stop,
            text_start=word.text_start,
            text_end=word.text_end,
        )
        if detail == speech_pb2.TIME_DETAIL_PHONEMES:
            for phoneme in word.phonemes:
                message.phonemes.add(
                    phoneme=phoneme.phoneme,
                    start_s=phoneme.start / rate_hz,
                    end_s=phoneme.stop / rate_hz,
                    start_sample=phoneme.start,
                    end_sample=phoneme.stop,
                )
        messages.append(message)
    return messages


def mark_messages(marks: tuple[MarkTiming, ...], rate_hz: int) -> list[speech_pb2.MarkTime]:
    """Timestamps of the marks in an SSML document."""
    return [
        speech_pb2.MarkTime(name=mark.name, time_s=mark.sample / rate_hz, sample=mark.sample)
        for mark in marks
    ]


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


SERVICE = speech_pb2.DESCRIPTOR.services_by_name["SpeechService"]


class SpeechServicer:
    """Serves `dlpo.v1`; register it with `add_service`."""

    def __init__(self, service: SynthesisService) -> None:
        self._service = service

    async def Synthesize(
        self, request: speech_pb2.SynthesizeRequest, context: Context
    ) -> speech_pb2.SynthesizeResponse:
        current_call().field_path = ssml_field_path if request.ssml else field_path
        config, left_s = request.config, context.time_remaining()
        call = read_call(config, left_s, False, request.text, request.ssml)
        async with self._service.synthesize(call) as speech:
            rate_hz = speech.format.sample_rate_hz
            reply = speech_pb2.SynthesizeResponse(info=info_message(speech))
            audio = bytearray()
            async for chunk in speech:
                audio += chunk.audio
                check_unary(len(audio))
                reply.words.extend(word_messages(chunk.words, rate_hz, config.time_detail))
                reply.marks.extend(mark_messages(chunk.marks, rate_hz))
            reply.audio = bytes(audio)
            reply.totals.CopyFrom(totals_message(speech))
            return reply

    async def StreamSynthesize(
        self, request: speech_pb2.StreamSynthesizeRequest, context: Context
    ) -> AsyncIterator[speech_pb2.StreamSynthesizeResponse]:
        current_call().field_path = ssml_field_path if request.ssml else field_path
        config, left_s = request.config, context.time_remaining()
        call = read_call(config, left_s, True, request.text, request.ssml)
        part, detail = speech_pb2.StreamSynthesizeResponse, config.time_detail
        async with self._service.synthesize(call) as speech:
            yield part(info=info_message(speech))
            async for chunk in speech:
                yield part(audio=chunk_message(chunk, speech.format.sample_rate_hz, detail))
            yield part(totals=totals_message(speech))

    async def IncrementalSynthesize(
        self, requests: AsyncIterator[speech_pb2.IncrementalSynthesizeRequest], context: Context
    ) -> AsyncIterator[speech_pb2.IncrementalSynthesizeResponse]:
        current_call().field_path = field_path
        first = await anext(requests)
        if not first.HasField("config"):
            got = first.WhichOneof("part") or "nothing"
            raise RequestError(FieldViolation("config", f"must come first; got {got}"))
        config, part = first.config, speech_pb2.IncrementalSynthesizeResponse
        call = read_call(config, context.time_remaining(), True)
        async with self._service.synthesize(call, _pieces(requests)) as speech:
            yield part(info=info_message(speech, text_is_known=False))
            async for chunk in speech:
                rate_hz = speech.format.sample_rate_hz
                yield part(audio=chunk_message(chunk, rate_hz, config.time_detail))
            yield part(totals=totals_message(speech, text_is_known=False))

    async def ListVoices(
        self, request: speech_pb2.ListVoicesRequest, context: Context
    ) -> speech_pb2.ListVoicesResponse:
        return speech_pb2.ListVoicesResponse(voices=map(voice_message, self._service.voices))


async def _pieces(
    messages: AsyncIterator[speech_pb2.IncrementalSynthesizeRequest],
) -> AsyncIterator[str | Flush]:
    """The text of the messages after the first.

    Raises:
        RequestError: the configuration is repeated, or a message is empty.
    """
    async for message in messages:
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
