"""Callers who take more than their share, and a neighbour who must not notice."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
import pytest

from dlpo.v1 import speech_pb2, speech_pb2_grpc
from dlpo_serving.request import SpeechRequest
from dlpo_serving.scheduling.stream import AdmissionPolicy
from dlpo_serving.synthesizer import Synthesizer

TIMEOUT_S = 120.0
LONG = "Noise becomes speech, step by step. " * 50
Piece = speech_pb2.IncrementalSynthesizeRequest


class Conversation:
    """A call that has begun, and has no text yet."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._parts: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
        self.say(config=speech_pb2.SynthesisConfig())
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        self.call = stub.IncrementalSynthesize(iter(self._parts.get, None), timeout=TIMEOUT_S)

    def say(self, **part: Any) -> None:
        self._parts.put(Piece(**part))

    def end(self) -> None:
        self._parts.put(None)
        self.call.cancel()

    def refusal(self) -> grpc.RpcError | None:
        """How the call ends, if not well; waits for it."""
        try:
            for _ in self.call:
                pass
        except grpc.RpcError as error:
            return error
        return None


@pytest.fixture
def conversations() -> Iterator[Callable[..., list[Conversation]]]:
    """`conversations(address, count)` that share one connection."""
    with contextmanager(_conversations)() as begin:
        yield begin


def _conversations() -> Iterator[Callable[..., list[Conversation]]]:
    channels, begun = [], []

    def begin(address: str, count: int) -> list[Conversation]:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels.append(grpc.insecure_channel(address, options))
        ours = [Conversation(channels[-1]) for _ in range(count)]
        begun.extend(ours)
        return ours

    yield begin
    for conversation in begun:
        conversation.end()
    for channel in channels:
        channel.close()


def test_one_connection_of_empty_conversations_leaves_places_to_others(
    synthesizer: Synthesizer,
    patient_server: Callable[..., Any],
    conversations: Callable[..., Any],
    neighbour: Callable[..., Any],
) -> None:
    server = patient_server(synthesizer, max_streams=10)
    crowd = conversations(server.address, 20)
    refused = crowd[-1].refusal()
    assert refused
    assert "one may have 9 of 10" in refused.details()
    with neighbour(server.address) as other:
        other.hears_all()


def test_a_conversation_without_text_gives_its_place_to_a_call_that_has_some(
    synthesizer: Synthesizer,
    patient_server: Callable[..., Any],
    conversations: Callable[..., Any],
) -> None:
    server = patient_server(synthesizer, max_streams=2, peer_share=1.0)
    (first,) = conversations(server.address, 1)
    next(first.call)  # admitted, before the second
    (second,) = conversations(server.address, 1)
    next(second.call)
    request = speech_pb2.StreamSynthesizeRequest(text="Is it not strange?")

    assert list(server.stub.StreamSynthesize(request, timeout=TIMEOUT_S))

    refused = first.refusal()
    assert refused
    assert refused.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "another call needed the place" in refused.details()
    second.say(text="One fish.")
    second.say(flush=speech_pb2.Flush())
    assert next(second.call).audio


def test_conversations_whose_texts_come_at_once_wait_or_are_refused(
    synthesizer: Synthesizer,
    start_server: Callable[..., Any],
    conversations: Callable[..., Any],
    neighbour: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However fast the machine is: who plays leaves no room, which others wait for in vain."""
    narrow = partial(AdmissionPolicy, utilisation=1e-9)
    monkeypatch.setattr("dlpo_serving.server.AdmissionPolicy", narrow)
    limits = {"lanes": 1, "max_streams": 200, "text_wait_s": 3, "max_first_audio_s": 1e6}
    server = start_server(synthesizer, **limits)
    playing, *crowd = conversations(server.address, 150)
    for conversation in (playing, *crowd):
        next(conversation.call)
    with neighbour(server.address) as other:
        playing.say(text=LONG)  # two minutes, and there may be more
        playing.say(flush=speech_pb2.Flush())
        left = 0.9 * 2 * len(synthesizer.speak(SpeechRequest(LONG)))  # bytes
        while left > 0:
            left -= len(next(playing.call).audio.audio)
        for conversation in crowd:
            conversation.say(text=LONG)
        refusals = [conversation.refusal() for conversation in crowd]
        playing.end()
        other.hears_all()
    assert {refusal.code() for refusal in refusals} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    for refusal in refusals:
        (status,) = (v for k, v in refusal.trailing_metadata() if k == "grpc-status-details-bin")
        assert b"RetryInfo" in status
