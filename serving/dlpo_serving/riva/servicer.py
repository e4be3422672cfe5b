"""The calls of NVIDIA Riva's speech service on grpc.aio: a thin door of the `SynthesisService`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import grpc

from dlpo_serving.audio_stream import check_unary
from dlpo_serving.call import SynthesisCall
from dlpo_serving.errors import FieldViolation, RequestError, UnknownVoiceError
from dlpo_serving.interruptible import interruptible
from dlpo_serving.registration import Undecodable, add_service, decoded
from dlpo_serving.request import SpeechRequest
from dlpo_serving.riva.messages import (
    RivaReplyWriter,
    check_language,
    is_ssml,
    read_call,
    voice_config,
    voice_named,
    wire_field,
)
from dlpo_serving.riva.proto import riva_tts_pb2
from dlpo_serving.rpc.statuses import Context, errors_as_status
from dlpo_serving.service import SynthesisService
from dlpo_serving.written_text import whole_texts

RIVA_SERVICE = riva_tts_pb2.DESCRIPTOR.services_by_name["RivaSpeechSynthesis"]

Request = riva_tts_pb2.SynthesizeSpeechRequest
Response = riva_tts_pb2.SynthesizeSpeechResponse


def add_riva_service(speaker: SynthesisService, server: grpc.aio.Server) -> None:
    """Let a server speak for Riva's clients; health and reflection know it as `RIVA_SERVICE`."""
    add_service(RIVA_SERVICE, RivaServicer(speaker), server)


class RivaServicer:
    """Speaks for callers of `nvidia.riva.tts`."""

    def __init__(self, speaker: SynthesisService) -> None:
        self._speaker = speaker

    async def Synthesize(self, request: Request | Undecodable, context: Context) -> Response:
        async with errors_as_status(context, wire_field):
            request = decoded(request)
            call = self._call(request, context, streamed=False)
            writer = RivaReplyWriter(request)
            reply = Response()
            audio = bytearray()
            source = partial(whole_texts, None, writer.on_read)
            async with self._speaker.synthesize(call, source) as speech:
                async for piece in speech:
                    audio += piece.audio
                    check_unary(len(audio))
                    reply.MergeFrom(writer.reply(piece, speech.info.format.sample_rate_hz))
            reply.audio = bytes(audio)
            return reply
        raise AssertionError("errors_as_status ends the call")

    async def SynthesizeOnline(
        self, requests: AsyncIterator[Request | Undecodable], context: Context
    ) -> None:
        async with errors_as_status(context, wire_field):
            incoming = aiter(requests)
            first = await _first(incoming)
            call = self._call(first, context, streamed=True)
            writer = RivaReplyWriter(first)
            further = _further_texts(first, incoming, writer)
            source = partial(whole_texts, further, writer.on_read)
            async with self._speaker.synthesize(call, source) as speech:
                async for piece in speech:
                    if piece.audio or piece.words:
                        rate_hz = speech.info.format.sample_rate_hz
                        await interruptible(context.write(writer.reply(piece, rate_hz)))

    async def GetRivaSynthesisConfig(
        self, request: riva_tts_pb2.RivaSynthesisConfigRequest | Undecodable, context: Context
    ) -> riva_tts_pb2.RivaSynthesisConfigResponse:
        async with errors_as_status(context):
            name = decoded(request).model_name
            voices = {manifest.voice: manifest for manifest in self._speaker.voices}
            if name and name not in voices:
                raise UnknownVoiceError(name, list(voices))
            wanted = [voices[name]] if name else voices.values()
            return riva_tts_pb2.RivaSynthesisConfigResponse(model_config=map(voice_config, wanted))
        raise AssertionError("errors_as_status ends the call")

    def _call(self, request: Request, context: Context, streamed: bool) -> SynthesisCall:
        manifests = {manifest.voice: manifest for manifest in self._speaker.voices}
        name = voice_named(request.voice_name, manifests)
        # Without voices, or where the name is unknown, the speaker says so.
        spoken = manifests.get(name) or next(iter(manifests.values()), None)
        if spoken:
            check_language(request.language_code, spoken)
        return read_call(request, name, context.time_remaining(), streamed)


async def _first(requests: AsyncIterator[Request | Undecodable]) -> Request:
    async for request in requests:
        return decoded(request)
    raise RequestError(FieldViolation("text", "did not come: the stream has no request"))


async def _further_texts(
    first: Request, requests: AsyncIterator[Request | Undecodable], writer: RivaReplyWriter
) -> AsyncIterator[SpeechRequest]:
    """The texts after the first, which a writer is told of; blanks and bare marks are skipped.

    Raises:
        UndecodableError: the bytes of a request are none.
        RequestError: a request changes more than the text.
    """
    async for incoming in requests:
        request = decoded(incoming)
        if _settings(request) != _settings(first):
            message = "changes settings within the call; only text and id may, begin another call"
            raise RequestError(FieldViolation("request", message))
        if any(character.isalnum() for character in request.text):
            writer.expect(request)
            yield SpeechRequest(request.text, ssml=is_ssml(request.text))


def _settings(request: Request) -> Request:
    """A request without what belongs to its text alone."""
    settings = Request()
    settings.CopyFrom(request)
    settings.ClearField("text")
    settings.ClearField("id")
    return settings
