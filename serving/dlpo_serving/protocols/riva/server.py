"""NVIDIA Riva's speech service on grpc.aio, translated into calls of `SynthesisService`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dlpo_serving.errors import UnknownVoiceError
from dlpo_serving.protocols.api import GrpcApi
from dlpo_serving.protocols.riva.proto import riva_tts_pb2
from dlpo_serving.protocols.riva.replies import RivaReplyWriter, send_warnings, voice_config
from dlpo_serving.protocols.riva.requests import (
    Request,
    field_path,
    read_call,
    read_further_texts,
)
from dlpo_serving.request import SynthesisCall
from dlpo_serving.rpc.statuses import Context
from dlpo_serving.service import SynthesisService, check_unary

RIVA_SERVICE = riva_tts_pb2.DESCRIPTOR.services_by_name["RivaSpeechSynthesis"]
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
        voices = self._service.voices
        wanted = [one for one in voices if request.model_name in ("", one.voice)]
        if request.model_name and not wanted:
            raise UnknownVoiceError(request.model_name, [one.voice for one in voices])
        return riva_tts_pb2.RivaSynthesisConfigResponse(model_config=map(voice_config, wanted))

    def _call(self, request: Request, context: Context, streamed: bool) -> SynthesisCall:
        voices = [one.voice for one in self._service.voices]
        return read_call(request, voices, context.time_remaining(), streamed)


API = GrpcApi(
    name="NVIDIA Riva",
    page="riva.md",
    uses="its clients; LiveKit, Pipecat",
    live="`SynthesizeOnline`; `Synthesize` waits",
    pieces="yes",
    interruption="cancel the call",
    times="words",
    service=RIVA_SERVICE,
    servicer=RivaServicer,
    field_path=field_path,
)
