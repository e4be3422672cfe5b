"""A small client of `dlpo.v1.SpeechService`: what `dlpo say --server` and the demo use."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo.errors import EngineError, InputError
from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.encodings import decode_audio
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import SpeechChunk

_CALLER_IS_WRONG = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)


class _Call(Protocol):
    """What grpc returns for a call whose reply is a stream."""

    def __next__(self) -> speech_pb2.StreamSynthesizeResponse: ...

    def cancel(self) -> None: ...


class SpeechStream:
    """The reply of one call: iterate for the chunks; `totals` is there after the last one."""

    def __init__(self, address: str, call: _Call) -> None:
        self._address = address
        self._call = call
        self.info: speech_pb2.SpeechInfo = self._next_part().info
        """format, voice and processed text"""
        self.totals: speech_pb2.SpeechTotals | None = None
        """length, steps and seed; None until the stream has ended"""

    def __iter__(self) -> Iterator[SpeechChunk]:
        while self.totals is None:
            part = self._next_part()
            if part.HasField("totals"):
                self.totals = part.totals
                continue
            samples = decode_audio(part.audio.audio, self.info.format.encoding)
            yield SpeechChunk(samples, part.audio.sample_offset, part.audio.sentence)

    def cancel(self) -> None:
        """Stop the server's work on this stream."""
        self._call.cancel()

    def _next_part(self) -> speech_pb2.StreamSynthesizeResponse:
        try:
            return next(self._call)
        except StopIteration:
            raise EngineError(f"{self._address}: the stream was cut; try again") from None
        except grpc.RpcError as error:
            raise _error_of(self._address, error) from error


class SpeechClient:
    """Talks to one server over a plaintext channel; use it in a `with` statement."""

    def __init__(self, address: str) -> None:
        """`address` is host:port."""
        self._address = address
        self._channel = grpc.insecure_channel(address)
        self._speech = speech_pb2_grpc.SpeechServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()

    def wait_until_serving(self, timeout_s: float = 10.0) -> None:
        """Return as soon as health says SERVING.

        Raises:
            EngineError: it did not within `timeout_s`.
        """
        health = health_pb2_grpc.HealthStub(self._channel)
        request = health_pb2.HealthCheckRequest(service="dlpo.v1.SpeechService")
        try:
            for reply in health.Watch(request, timeout=timeout_s, wait_for_ready=True):
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return
        except grpc.RpcError as error:
            raise _error_of(self._address, error) from error
        raise EngineError(f"{self._address}: the server ended its health watch; look at its log")

    def voices(self) -> list[speech_pb2.Voice]:
        """The voices of the server, the default one first.

        Raises:
            EngineError: the server can't be reached or failed.
        """
        try:
            return list(self._speech.ListVoices(speech_pb2.ListVoicesRequest()).voices)
        except grpc.RpcError as error:
            raise _error_of(self._address, error) from error

    def stream(self, request: SpeechRequest, voice: str = "") -> SpeechStream:
        """Begin to speak; returns once the server has accepted the text.

        Args:
            request: what to say.
            voice: the server's default if empty.

        Raises:
            InputError: the server refuses a field of the request, or has no such voice.
            EngineError: the server can't be reached, is full or failed.
        """
        message = _request_message(request, voice)
        return SpeechStream(self._address, self._speech.StreamSynthesize(message))


def _request_message(request: SpeechRequest, voice: str) -> speech_pb2.StreamSynthesizeRequest:
    try:
        config = speech_pb2.SynthesisConfig(
            voice=voice,
            speed=request.speed,
            pitch_semitones=request.pitch_semitones,
            seed=request.seed,
            steps=request.steps or 0,
            dictionary=request.dictionary,
            encoding=speech_pb2.AUDIO_ENCODING_LINEAR_PCM_F32,
        )
        return speech_pb2.StreamSynthesizeRequest(text=request.text, config=config)
    except ValueError as error:  # a lone surrogate, or a number that a field can't hold
        raise InputError(f"the request can't be sent: {error}") from error


def _error_of(address: str, error: grpc.RpcError) -> InputError | EngineError:
    code, details = error.code(), error.details()
    if code in _CALLER_IS_WRONG:
        return InputError(details)
    hint = "; is a server running there?" if code == grpc.StatusCode.UNAVAILABLE else ""
    return EngineError(f"{address}: {code.name}: {details}{hint}")
