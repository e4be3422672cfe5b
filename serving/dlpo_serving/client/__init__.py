"""Clients of `dlpo.v1.SpeechService`.

    with SpeechClient("127.0.0.1:50051") as client:
        with client.stream(SpeechRequest("Hello.")) as stream:
            for chunk in stream:
                play(chunk.samples, stream.info.format.sample_rate_hz)

`AsyncSpeechClient` has the same methods for asyncio.
"""

from dlpo.v1.speech_pb2 import Flush
from dlpo_serving.client.aio import AsyncSpeechClient, AsyncSpeechStream
from dlpo_serving.client.connection import Tls
from dlpo_serving.client.errors import CallError, Chance, RetryPolicy
from dlpo_serving.client.messages import Chunk, ReplyFormat, SynthesisResult
from dlpo_serving.client.sync import SpeechClient, SpeechStream
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.request import SpeechRequest

__all__ = [
    "AsyncSpeechClient",
    "AsyncSpeechStream",
    "CallError",
    "Chance",
    "Chunk",
    "Encoding",
    "Flush",
    "ReplyFormat",
    "RetryPolicy",
    "SpeechClient",
    "SpeechRequest",
    "SpeechStream",
    "SynthesisResult",
    "Tls",
]
