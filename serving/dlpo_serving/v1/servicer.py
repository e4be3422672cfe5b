"""The calls of `dlpo.v1.SpeechService` on grpc.aio: a thin door of the `SynthesisService`.

A place is given back where the `async with` block of the speaker ends, however the call does: grpc
cancels the handler of a caller who is gone, or fails the write that it waits for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.audio_stream import AudioStream, check_unary
from dlpo_serving.interruptible import interruptible
from dlpo_serving.registration import Undecodable, decoded
from dlpo_serving.rpc.statuses import Context, errors_as_status
from dlpo_serving.service import SynthesisService
from dlpo_serving.v1.messages import (
    ReplyWriter,
    config_call,
    field_path_in,
    read_call,
    read_config,
    read_pieces,
    voice_message,
)
from dlpo_serving.v1.wire import field_path
from dlpo_serving.written_text import text_pieces


class SpeechServicer(speech_pb2_grpc.SpeechServiceServicer):
    """Speaks for callers of `dlpo.v1`."""

    def __init__(self, speaker: SynthesisService) -> None:
        self._speaker = speaker

    async def Synthesize(
        self, request: speech_pb2.SynthesizeRequest | Undecodable, context: Context
    ) -> speech_pb2.SynthesizeResponse:
        async with errors_as_status(context, field_path_in(request)):
            request = decoded(request)
            call = read_call(request, context.time_remaining(), streamed=False)
            async with self._speaker.synthesize(call) as speech:
                writer = ReplyWriter(speech.info, request.config.time_detail)
                reply = speech_pb2.SynthesizeResponse(info=writer.info())
                audio = bytearray()
                async for piece in speech:
                    audio += piece.audio
                    check_unary(len(audio))
                    reply.words.extend(writer.words(piece.words))
                    reply.marks.extend(writer.marks(piece.marks))
                reply.audio = bytes(audio)
                reply.totals.CopyFrom(writer.totals(speech))
                return reply
        raise AssertionError("errors_as_status ends the call")

    async def StreamSynthesize(
        self, request: speech_pb2.StreamSynthesizeRequest | Undecodable, context: Context
    ) -> None:
        async with errors_as_status(context, field_path_in(request)):
            request = decoded(request)
            call = read_call(request, context.time_remaining(), streamed=True)
            async with self._speaker.synthesize(call) as speech:
                writer = ReplyWriter(speech.info, request.config.time_detail)
                await _write(speech, writer, context, speech_pb2.StreamSynthesizeResponse)

    async def IncrementalSynthesize(
        self,
        requests: AsyncIterator[speech_pb2.IncrementalSynthesizeRequest | Undecodable],
        context: Context,
    ) -> None:
        async with errors_as_status(context, field_path):
            messages = aiter(requests)
            config = await read_config(messages)
            call = config_call(config, context.time_remaining(), streamed=True)
            source = partial(text_pieces, read_pieces(messages))
            async with self._speaker.synthesize(call, source) as speech:
                writer = ReplyWriter(speech.info, config.time_detail, text_is_known=False)
                await _write(speech, writer, context, speech_pb2.IncrementalSynthesizeResponse)

    async def ListVoices(
        self, request: speech_pb2.ListVoicesRequest | Undecodable, context: Context
    ) -> speech_pb2.ListVoicesResponse:
        async with errors_as_status(context, field_path):
            decoded(request)
            voices = [voice_message(manifest) for manifest in self._speaker.voices]
            return speech_pb2.ListVoicesResponse(voices=voices)
        raise AssertionError("errors_as_status ends the call")


async def _write(
    speech: AudioStream,
    writer: ReplyWriter,
    context: Context,
    part: type[speech_pb2.StreamSynthesizeResponse | speech_pb2.IncrementalSynthesizeResponse],
) -> None:
    """Write a call whose reply is a stream of `part`."""
    await interruptible(context.write(part(info=writer.info())))
    async for piece in speech:
        await interruptible(context.write(part(audio=writer.chunk(piece))))
    await interruptible(context.write(part(totals=writer.totals(speech))))
