"""Servers come, go and die behind haproxy, which runs with deploy/haproxy/haproxy.cfg."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc

from dlpo_serving.client import CallError, Flush
from dlpo_serving.request import SpeechRequest

TIMEOUT_S = 180.0
FIRST, SECOND = "Noise becomes speech. ", "Is it not strange?"
LISTENERS = 2


class HeldOpen:
    """A stream that has spoken its first sentence and gets its second one when the test says so."""

    def __init__(self, client: Any) -> None:
        self._text: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._text.put(FIRST)
        self._chunks = iter(client.stream_pieces(iter(self._pieces()), timeout_s=TIMEOUT_S))
        self._heard = next(self._chunks).audio

    def _pieces(self) -> Iterator[str | Flush]:
        while (piece := self._text.get()) is not None:
            yield piece
            yield Flush()

    def finish(self) -> bytes:
        """All of its audio."""
        self._text.put(SECOND)
        self._text.put(None)
        return self._heard + b"".join(chunk.audio for chunk in self._chunks)

    def end(self) -> bytes | grpc.StatusCode:
        """All of its audio, or how it failed."""
        try:
            return self.finish()
        except CallError as error:
            return error.code


def test_a_server_that_drains_gets_no_new_stream_and_ends_its_own_to_the_bit(fleet: Any) -> None:
    one, _ = fleet.all_up()
    with fleet.client() as client, ExitStack() as callers:
        alone = client.speak(SpeechRequest(FIRST + SECOND), timeout_s=TIMEOUT_S).audio
        held: list[HeldOpen] = []
        while not all(replica.figure("dlpo_streams_active") for replica in fleet.replicas):
            held.append(HeldOpen(callers.enter_context(fleet.client())))

        one.terminate()
        while fleet.status("one") != "DOWN":  # until haproxy has heard of it, calls are served
            client.speak(SpeechRequest(SECOND), timeout_s=TIMEOUT_S)
        begun = one.figure("grpc_server_started_total")
        for _ in range(4):
            client.speak(SpeechRequest(SECOND), timeout_s=TIMEOUT_S)

        assert one.figure("grpc_server_started_total") == begun
        assert [stream.finish() for stream in held] == [alone] * len(held)
        assert one.ended() == 0
        assert "code=UNAVAILABLE" not in one.log.read_text()


def test_kill_9_ends_the_streams_of_the_killed_server_and_no_others(fleet: Any) -> None:
    one, two = fleet.all_up()
    with fleet.client() as client, ExitStack() as callers:
        alone = client.speak(SpeechRequest(FIRST + SECOND), timeout_s=TIMEOUT_S).audio
        held: list[HeldOpen] = []
        while not all(replica.figure("dlpo_streams_active") for replica in fleet.replicas):
            held.append(HeldOpen(callers.enter_context(fleet.client())))
        with_one, with_two = one.figure("dlpo_streams_active"), two.figure("dlpo_streams_active")

        one.kill()
        for _ in range(4):  # wherever they are sent at first
            whole = client.speak(SpeechRequest(FIRST + SECOND), timeout_s=TIMEOUT_S)
            assert whole.audio == alone
        ends = [stream.end() for stream in held]

        assert fleet.status("one") == "DOWN"
        assert ends.count(grpc.StatusCode.UNAVAILABLE) == with_one
        assert ends.count(alone) == with_two


def test_a_rolling_restart_loses_no_stream_and_shows_no_caller_an_error(fleet: Any) -> None:
    request = SpeechRequest(FIRST + SECOND)
    fleet.all_up()
    over = threading.Event()
    heard = [0] * LISTENERS

    def listen(listener: int, alone: bytes) -> None:
        """One stream after the other, each as it sounds alone."""
        with fleet.client() as client:
            while not over.is_set():
                with client.stream(request, timeout_s=TIMEOUT_S) as stream:
                    assert b"".join(chunk.audio for chunk in stream) == alone
                heard[listener] += 1

    logs = []
    with fleet.client() as client, ThreadPoolExecutor(LISTENERS) as threads:
        alone = client.speak(request, timeout_s=TIMEOUT_S).audio
        listeners = [threads.submit(listen, number, alone) for number in range(LISTENERS)]
        try:
            for replica in fleet.replicas:
                wait_for_all(heard, listeners)
                replica.terminate()
                assert replica.ended() == 0
                logs.append(replica.log.read_text())
                fleet.all_up()
            wait_for_all(heard, listeners)
        finally:
            over.set()
        for listener in listeners:
            listener.result(TIMEOUT_S)

    for log in logs:
        assert set(re.findall(r"code=(\w+)", log)) == {"OK"}
    assert all(replica.figure("dlpo_audio_seconds_total") for replica in fleet.replicas)


def wait_for_all(heard: list[int], listeners: list[Any]) -> None:
    """Every listener hears a further stream to its end, or has failed."""
    before = list(heard)
    pause = threading.Event()
    while any(now <= then for now, then in zip(heard, before, strict=True)):
        if any(listener.done() for listener in listeners):
            return  # its failure is reported at the end
        pause.wait(0.05)
