"""`dlpo.v1.SpeechService` on grpc.aio, translated into calls of `SynthesisService`.

A slot is freed when the `async with` block ends, however the call does: grpc cancels the handler
when its caller disconnects.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from dlpo.v1 import speech_pb2
from dlpo_serving.errors import FieldViolation, RequestError
from dlpo_serving.protocols.api import GrpcApi
from dlpo_serving.protocols.grpc.replies import (
    chunk_message,
    info_message,
    mark_messages,
    totals_message,
    voice_message,
    word_messages,
)
from dlpo_serving.protocols.grpc.requests import field_path, read_call, read_pieces
from dlpo_serving.rpc.statuses import Context
from dlpo_serving.service import SynthesisService, check_unary

SERVICE = speech_pb2.DESCRIPTOR.services_by_name["SpeechService"]


class SpeechServicer:
    """Serves `dlpo.v1`; register it with `add_service`."""

    def __init__(self, service: SynthesisService) -> None:
        self._service = service

    async def Synthesize(
        self, request: speech_pb2.SynthesizeRequest, context: Context
    ) -> speech_pb2.SynthesizeResponse:
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
        first = await anext(requests)
        if not first.HasField("config"):
            got = first.WhichOneof("part") or "nothing"
            raise RequestError(FieldViolation("config", f"must come first; got {got}"))
        config, part = first.config, speech_pb2.IncrementalSynthesizeResponse
        call = read_call(config, context.time_remaining(), True)
        async with self._service.synthesize(call, read_pieces(requests)) as speech:
            yield part(info=info_message(speech, text_is_known=False))
            async for chunk in speech:
                rate_hz = speech.format.sample_rate_hz
                yield part(audio=chunk_message(chunk, rate_hz, config.time_detail))
            yield part(totals=totals_message(speech, text_is_known=False))

    async def ListVoices(
        self, request: speech_pb2.ListVoicesRequest, context: Context
    ) -> speech_pb2.ListVoicesResponse:
        return speech_pb2.ListVoicesResponse(voices=map(voice_message, self._service.voices))


API = GrpcApi(
    name="gRPC `dlpo.v1`",
    page="api.md",
    uses="new code in any language; Python has [clients that retry](client.md)",
    live="streams; `Synthesize` waits",
    pieces="yes",
    interruption="cancel the call",
    times="words, phonemes, marks; your characters",
    service=SERVICE,
    servicer=SpeechServicer,
    field_path=field_path,
)
