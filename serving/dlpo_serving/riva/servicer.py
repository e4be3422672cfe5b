"""The calls of NVIDIA Riva's speech service on grpc.aio, which translate for `SynthesisService`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dlpo_serving.errors import FieldViolation, RequestError, UnknownVoiceError
from dlpo_serving.operations.call_scope import current_call
from dlpo_serving.request import SpeechRequest, SynthesisCall
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
from dlpo_serving.rpc.statuses import Context
from dlpo_serving.service import SynthesisService, check_unary

RIVA_SERVICE = riva_tts_pb2.DESCRIPTOR.services_by_name["RivaSpeechSynthesis"]

Request = riva_tts_pb2.SynthesizeSpeechRequest
Response = riva_tts_pb2.SynthesizeSpeechResponse


class RivaServicer:
    """Speaks for callers of `nvidia.riva.tts`; to be registered by `add_service`."""

    def __init__(self, service: SynthesisService) -> None:
        self._service = service

    async def Synthesize(self, request: Request, context: Context) -> Response:
        call = self._call(request, context, streamed=False)
        reply = Response()
        audio = bytearray()
        async with self._service.synthesize(call) as speech:
            writer = RivaReplyWriter([request], speech)
            async for chunk in speech:
                audio += chunk.audio
                check_unary(len(audio))
                reply.MergeFrom(writer.reply(chunk))
        reply.audio = bytes(audio)
        return reply

    async def SynthesizeOnline(
        self, requests: AsyncIterator[Request], context: Context
    ) -> AsyncIterator[Response]:
        first = await anext(requests)
        call = self._call(first, context, streamed=True)
        texts = [first]
        further = _further_texts(first, requests, texts) if first.text else None
        async with self._service.synthesize(call, further) as speech:
            writer = RivaReplyWriter(texts, speech)
            async for chunk in speech:
                if chunk.audio or chunk.words:
                    yield writer.reply(chunk)

    async def GetRivaSynthesisConfig(
        self, request: riva_tts_pb2.RivaSynthesisConfigRequest, context: Context
    ) -> riva_tts_pb2.RivaSynthesisConfigResponse:
        name = request.model_name
        voices = {manifest.voice: manifest for manifest in self._service.voices}
        if name and name not in voices:
            raise UnknownVoiceError(name, list(voices))
        wanted = [voices[name]] if name else voices.values()
        return riva_tts_pb2.RivaSynthesisConfigResponse(model_config=map(voice_config, wanted))

    def _call(self, request: Request, context: Context, streamed: bool) -> SynthesisCall:
        current_call().field_path = wire_field
        manifests = {manifest.voice: manifest for manifest in self._service.voices}
        name = voice_named(request.voice_name, manifests)
        # Without voices, or where the name is unknown, the service says so.
        voice = manifests.get(name) or next(iter(manifests.values()), None)
        if voice:
            check_language(request.language_code, voice)
        return read_call(request, name, context.time_remaining(), streamed)


async def _further_texts(
    first: Request, requests: AsyncIterator[Request], texts: list[Request]
) -> AsyncIterator[SpeechRequest]:
    """The texts after the first, also appended to `texts`; blanks and bare marks are skipped.

    Raises:
        RequestError: a request changes more than the text.
    """
    async for request in requests:
        if _settings(request) != _settings(first):
            message = "changes settings within the call; only text and id may, begin another call"
            raise RequestError(FieldViolation("request", message))
        if any(character.isalnum() for character in request.text):
            texts.append(request)
            yield SpeechRequest(request.text, ssml=is_ssml(request.text))


def _settings(request: Request) -> Request:
    """A request without what belongs to its text alone."""
    settings = Request()
    settings.CopyFrom(request)
    settings.ClearField("text")
    settings.ClearField("id")
    return settings
