"""The calls of `dlpo.v1.SpeechService` on grpc.aio, which translate for `SynthesisService`.

A place is free again where the `async with` block ends, however the call does: grpc cancels the
handler of a caller who is gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from dlpo.v1 import speech_pb2
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.operations.call_scope import current_call
from dlpo_serving.rpc.statuses import Context
from dlpo_serving.service import Flush, SynthesisService, check_unary
from dlpo_serving.v1.messages import (
    chunk_message,
    config_call,
    info_message,
    mark_messages,
    read_call,
    totals_message,
    voice_message,
    word_messages,
)
from dlpo_serving.v1.wire import field_path, ssml_field_path

SERVICE = speech_pb2.DESCRIPTOR.services_by_name["SpeechService"]


class SpeechServicer:
    """Speaks for callers of `dlpo.v1`; to be registered by `add_service`."""

    def __init__(self, service: SynthesisService) -> None:
        self._service = service

    async def Synthesize(
        self, request: speech_pb2.SynthesizeRequest, context: Context
    ) -> speech_pb2.SynthesizeResponse:
        current_call().field_path = ssml_field_path if request.ssml else field_path
        call = read_call(request, context.time_remaining(), streamed=False)
        detail = request.config.time_detail
        async with self._service.synthesize(call) as speech:
            rate_hz = speech.format.sample_rate_hz
            reply = speech_pb2.SynthesizeResponse(info=info_message(speech))
            audio = bytearray()
            async for chunk in speech:
                audio += chunk.audio
                check_unary(len(audio))
                reply.words.extend(word_messages(chunk.words, rate_hz, detail))
                reply.marks.extend(mark_messages(chunk.marks, rate_hz))
            reply.audio = bytes(audio)
            reply.totals.CopyFrom(totals_message(speech))
            return reply

    async def StreamSynthesize(
        self, request: speech_pb2.StreamSynthesizeRequest, context: Context
    ) -> AsyncIterator[speech_pb2.StreamSynthesizeResponse]:
        current_call().field_path = ssml_field_path if request.ssml else field_path
        call = read_call(request, context.time_remaining(), streamed=True)
        part, detail = speech_pb2.StreamSynthesizeResponse, request.config.time_detail
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
        call = config_call(config, context.time_remaining(), streamed=True)
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
        RequestError: the configuration comes again, or a message is empty.
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
