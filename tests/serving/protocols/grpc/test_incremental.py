"""Text that arrives in pieces, over a real channel."""

from __future__ import annotations

import queue
from collections.abc import Iterable

from dlpo.v1 import speech_pb2
from tests.callers import WAIT_S, refusal
from tests.serving.conftest import RunningServer

TEXT = "Noise becomes speech, step by step. Is it not strange, at 10? So it is."

Request = speech_pb2.IncrementalSynthesizeRequest
Part = speech_pb2.IncrementalSynthesizeResponse
CONFIG = Request(config=speech_pb2.SynthesisConfig(seed=5))
FLUSH = Request(flush=speech_pb2.Flush())


def texts(pieces: Iterable[str]) -> list[Request]:
    return [Request(text=piece) for piece in pieces]


def parts_of(server: RunningServer, requests: Iterable[Request]) -> list[Part]:
    return list(server.stub.IncrementalSynthesize(iter(requests), timeout=WAIT_S))


def audio_of(parts: Iterable[Part]) -> bytes:
    return b"".join(part.audio.audio for part in parts)


def test_a_stream_has_info_then_audio_then_totals(server: RunningServer) -> None:
    parts = parts_of(server, [CONFIG, *texts([TEXT, " 😀"])])

    kinds = [part.WhichOneof("part") for part in parts]
    assert (kinds[0], kinds[-1], set(kinds[1:-1])) == ("info", "totals", {"audio"})
    assert parts[0].info.voice == "fake"
    assert parts[0].info.processed_text == ""
    totals = parts[-1].totals
    assert totals.processed_text.splitlines()[:2] == ["noise becomes speech step", "by step"]
    assert (totals.seed, totals.steps) == (5, 3)
    assert totals.warnings == ["not spoken: 😀"]
    assert totals.samples == len(audio_of(parts)) // 2


def test_text_letter_by_letter_equals_the_whole(server: RunningServer) -> None:
    parts = parts_of(server, [CONFIG, *texts(TEXT)])

    whole = parts_of(server, [CONFIG, *texts([TEXT])])
    assert audio_of(parts) == audio_of(whole)
    assert parts[-1] == whole[-1]
    words = [word for part in parts for word in part.audio.words]
    ten = next(word for word in words if word.word == "ten")
    assert TEXT[ten.text_start : ten.text_end] == "10"
    assert {part.audio.sentence for part in parts if part.HasField("audio")} >= {0, 1, 2}


def test_first_sentence_is_heard_before_the_second_arrives(server: RunningServer) -> None:
    sent: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
    call = server.stub.IncrementalSynthesize(iter(sent.get, None), timeout=WAIT_S)
    sent.put(CONFIG)
    assert next(call).HasField("info")
    sent.put(Request(text="Noise becomes speech. And"))
    assert next(call).audio.audio
    sent.put(Request(text=" more."))
    sent.put(None)
    assert list(call)[-1].HasField("totals")


def test_flush_speaks_what_has_no_end_yet(server: RunningServer) -> None:
    sent: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
    call = server.stub.IncrementalSynthesize(iter(sent.get, None), timeout=WAIT_S)
    for request in (CONFIG, Request(text="noise becomes"), FLUSH):
        sent.put(request)
    assert next(call).HasField("info")
    heard = [word.word for word in next(call).audio.words]
    sent.put(Request(text="speech"))
    sent.put(None)
    rest = list(call)

    heard += [word.word for part in rest for word in part.audio.words]
    assert heard == ["noise", "becomes", "speech"]
    assert rest[-1].totals.processed_text == "noise becomes\nspeech"


def test_undecodable_bytes_are_an_invalid_argument(server: RunningServer) -> None:
    call = server.channel.stream_stream("/dlpo.v1.SpeechService/IncrementalSynthesize")

    refused = refusal(call, iter([CONFIG.SerializeToString(), b"\xff\xff"]))

    assert refused.code == "INVALID_ARGUMENT"


def test_slow_writer_ends_in_deadline_exceeded(server: RunningServer) -> None:
    sent: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
    sent.put(CONFIG)
    refused = refusal(server.stub.IncrementalSynthesize, iter(sent.get, None), timeout=0.1)
    sent.put(None)
    assert refused.code == "DEADLINE_EXCEEDED"
