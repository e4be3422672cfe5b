"""The APIs of a server, in the order in which docs/apis.md recommends them."""

from __future__ import annotations

from dlpo_serving.protocols import (
    deepgram,
    deepgram_flux,
    jambonz,
    kokoro,
    openai_speech,
    riva_realtime,
    vapi,
    wyoming,
)
from dlpo_serving.protocols.api import Api
from dlpo_serving.protocols.cartesia import server as cartesia
from dlpo_serving.protocols.elevenlabs import server as elevenlabs
from dlpo_serving.protocols.grpc import server as grpc
from dlpo_serving.protocols.http.api import HttpApi
from dlpo_serving.protocols.openai_realtime import server as openai_realtime
from dlpo_serving.protocols.riva import server as riva

APIS: tuple[Api, ...] = (
    grpc.API,
    openai_speech.SOCKET_API,
    openai_speech.SPEECH_API,
    openai_realtime.API,
    elevenlabs.API,
    cartesia.API,
    deepgram.API,
    deepgram_flux.API,
    riva.API,
    riva_realtime.API,
    jambonz.API,
    kokoro.API,
    vapi.API,
    wyoming.API,
)
HTTP_APIS = tuple(api for api in APIS if isinstance(api, HttpApi))
