"""NVIDIA Riva's speech service on grpc.aio, translated into calls of `SynthesisService`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dlpo.bundle import MAX_VOICE_NAME
from dlpo_serving.errors import UnknownVoiceError
from dlpo_serving.protocols.riva.proto import riva_tts_pb2
from dlpo_serving.protocols.riva.replies import RivaReplyWriter, send_warnings, voice_config
from dlpo_serving.protocols.riva.requests import read_call, read_further_texts, voice_named
from dlpo_serving.request import SynthesisCall, check_length
from dlpo_serving.rpc.statuses import Context
from dlpo_serving.service import SynthesisService, check_unary

RIVA_SERVICE = riva_tts_pb2.DESCRIPTOR.services_by_name["RivaSpeechSynthesis"]
Request = riva_tts_pb2.SynthesizeSpeechRequest
Response = riva_tts_pb2.SynthesizeSpeechResponse


class RivaServicer:
    """Serves `nvidia.riva.tts`; register it with `add_service`."""

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
            send_warnings(context, speech)
        reply.audio = bytes(audio)
        return reply

    async def SynthesizeOnline(
        self, requests: AsyncIterator[Request], context: Context
    ) -> AsyncIterator[Response]:
        first = await anext(requests)
        call = self._call(first, context, streamed=True)
        texts = [first]
        further = read_further_texts(first, requests, texts) if first.text else None
        async with self._service.synthesize(call, further) as speech:
            writer = RivaReplyWriter(texts, speech)
            async for chunk in speech:
                if chunk.audio or chunk.words:
                    yield writer.reply(chunk)
            send_warnings(context, speech)

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
        check_length("voice", request.voice_name, MAX_VOICE_NAME)
        check_length("language", request.language_code)
        manifests = {manifest.voice: manifest for manifest in self._service.voices}
        name = voice_named(request.voice_name, manifests)
        return read_call(request, name, context.time_remaining(), streamed)
