"""`dlpo.v1.SpeechService` over a real channel: calls, and what a reply holds beside the samples."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import ResourceInfo

from dlpo.v1 import speech_pb2
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.encodings.wire import decode_samples, encoding_message, read_encoding
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import WAIT_S, refusal
from tests.serving.conftest import GatedEngine, RunningServer, StartServer

F32 = speech_pb2.AUDIO_ENCODING_LINEAR_PCM_F32
TEXT = "Noise becomes speech, step by step. Is it not strange?"

Piece = speech_pb2.IncrementalSynthesizeRequest
CONFIG = Piece(config=speech_pb2.SynthesisConfig(seed=5))
DATED = "In 1999, noise becomes speech. Is it not strange?"


def stream_request(text: str = TEXT, **config: Any) -> speech_pb2.StreamSynthesizeRequest:
    return speech_pb2.StreamSynthesizeRequest(
        text=text, config=speech_pb2.SynthesisConfig(**config)
    )


def test_code_and_emoji_follow_options_and_are_reported(server: RunningServer) -> None:
    text = "Hi 👍\n```py\nx\n```"
    read = {"code": speech_pb2.CODE_READING_SKIP, "emoji": speech_pb2.EMOJI_READING_NAME}

    usual, asked = (
        next(iter(server.stub.StreamSynthesize(stream_request(text, **each), timeout=WAIT_S))).info
        for each in ({}, read)
    )
    assert (usual.processed_text, usual.warnings) == ("hi\npy code block", ["not spoken: 👍; x"])
    assert (asked.processed_text, asked.warnings) == ("hi thumbs up", ["not spoken: py x"])
    with pytest.raises(grpc.RpcError, match="code: is '9'; expected one of 'announce'"):
        list(server.stub.StreamSynthesize(stream_request(text, code=9), timeout=WAIT_S))


def test_stream_and_unary_reply_equal_offline_audio(
    server: RunningServer, synthesizer: Synthesizer
) -> None:
    settings = {"speed": 1.1, "pitch_semitones": 1.5, "seed": 3, "steps": 1, "volume_db": -6.0}
    request = stream_request(encoding=F32, **settings)

    info, *parts, totals = server.stub.StreamSynthesize(request, timeout=WAIT_S)

    assert info.info.processed_text == "noise becomes speech step by step\nis it not strange"
    assert (info.info.voice, info.info.format.sample_rate_hz) == ("fake", 22_050)
    assert {part.WhichOneof("part") for part in parts} == {"audio"}
    audio = b"".join(part.audio.audio for part in parts)
    offline = synthesizer.speak(SpeechRequest(TEXT, **settings))
    np.testing.assert_allclose(decode_samples(audio, F32), offline, atol=1e-6)
    assert (totals.totals.seed, totals.totals.steps) == (3, 1)
    assert totals.totals.samples == len(offline)
    assert totals.totals.audio_s == len(offline) / 22_050
    lengths = [len(part.audio.audio) // 4 for part in parts]
    assert [part.audio.sample_offset for part in parts] == [0, *np.cumsum(lengths)[:-1]]
    sentences = [part.audio.sentence for part in parts]
    assert sentences == sorted(sentences)
    assert set(sentences) == {0, 1}

    whole = speech_pb2.SynthesizeRequest(text=TEXT, config=request.config)
    reply = server.stub.Synthesize(whole, timeout=WAIT_S)

    assert (reply.audio, reply.info, reply.totals) == (audio, info.info, totals.totals)


def test_voices_are_listed_with_their_ranges(server: RunningServer) -> None:
    (voice,) = server.stub.ListVoices(speech_pb2.ListVoicesRequest()).voices

    assert (voice.name, voice.language, list(voice.steps)) == ("fake", "en-US", [1, 3])
    assert (voice.default_steps, voice.speed.min, voice.speed.max) == (3, 0.5, 2.0)


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ([stream_request("")], "text"),
        ([stream_request("word " * 20_000)], "text"),
        ([stream_request(speed=float("nan"))], "config.speed"),
        ([stream_request(steps=2)], "config.steps"),
        ([stream_request(encoding=99)], "config.encoding"),
        ([stream_request(dictionary={"a": "?"})], "config.dictionary"),
        ([speech_pb2.StreamSynthesizeRequest(text="a", ssml="<speak>a</speak>")], "ssml"),
        ([speech_pb2.StreamSynthesizeRequest(ssml="<speak>")], "ssml"),
        ([Piece(text="Hello.")], "config"),
        ([Piece(flush={})], "config"),
        ([Piece()], "config"),
        ([CONFIG, Piece(text="Hello. "), CONFIG], "config"),
        ([CONFIG, Piece()], "part"),
        ([CONFIG], "text"),
        ([CONFIG, Piece(text="?!"), Piece(text="...")], "text"),
        ([CONFIG, *[Piece(text="word ")] * 500], "text"),
        ([Piece(config={"speed": 9})], "config.speed"),
        ([Piece(config={"encoding": 99})], "config.encoding"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value[0]).__name__[:6],
)
def test_bad_values_are_invalid_arguments_that_name_the_field(
    server: RunningServer, requests: list[Any], field: str
) -> None:
    if isinstance(requests[0], Piece):
        refused = refusal(server.stub.IncrementalSynthesize, iter(requests))
    else:
        refused = refusal(server.stub.StreamSynthesize, *requests)
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [field])


@pytest.mark.parametrize("voice", ["nobody", "../../etc/passwd", "x" * 500])
def test_an_unknown_voice_has_a_short_status(server: RunningServer, voice: str) -> None:
    refused = refusal(server.stub.StreamSynthesize, stream_request(voice=voice))
    assert (refused.code, len(refused.message) < 200) == ("NOT_FOUND", True)
    if len(voice) < 500:
        assert refused.detail(ResourceInfo).resource_name == voice


def test_a_unary_reply_that_is_too_long_points_to_the_stream(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpo_serving.service.MAX_UNARY_BYTES", 20_000)

    refused = refusal(server.stub.Synthesize, speech_pb2.SynthesizeRequest(text=TEXT))

    assert refused.code == "INVALID_ARGUMENT"
    assert "use StreamSynthesize" in refused.message


def test_a_stream_longer_than_the_grace_is_cut(
    gated_engine: GatedEngine, gated_server: StartServer
) -> None:
    server = gated_server(grace_s=0.0)
    running = server.stub.StreamSynthesize(stream_request())
    assert gated_engine.waiting.acquire(timeout=WAIT_S)

    server.stop()

    with pytest.raises(grpc.RpcError):
        list(running)
    gated_engine.free()


def reply_to(server: RunningServer, text: str = DATED, ssml: str = "", **config: Any) -> Any:
    request = speech_pb2.SynthesizeRequest(text="" if ssml else text, ssml=ssml, config=config)
    return server.stub.Synthesize(request, timeout=WAIT_S)


def chunks_of(server: RunningServer, **config: Any) -> list[speech_pb2.AudioChunk]:
    request = speech_pb2.StreamSynthesizeRequest(text=DATED, config=config)
    parts = server.stub.StreamSynthesize(request, timeout=WAIT_S)
    return [part.audio for part in parts if part.HasField("audio")]


def test_words_come_in_order_with_their_text_span(server: RunningServer) -> None:
    words = reply_to(server).words

    assert [word.word for word in words[:4]] == ["in", "nineteen", "ninety", "nine"]
    assert [DATED[word.text_start : word.text_end] for word in words[:5]] == [
        "In", "1999", "1999", "1999", "noise",
    ]  # fmt: skip
    starts = [word.start_sample for word in words]
    assert starts == sorted(starts)
    for word in words:
        assert word.start_s == word.start_sample / 22_050
        assert word.end_s == word.end_sample / 22_050
        assert word.start_sample < word.end_sample


def test_a_chunk_tells_the_words_that_begin_in_it(server: RunningServer) -> None:
    chunks = chunks_of(server)

    ends = [chunk.sample_offset for chunk in chunks[1:]] + [chunks[-1].sample_offset + 10**9]
    for chunk, end in zip(chunks, ends, strict=True):
        for word in chunk.words:
            assert chunk.sample_offset <= word.start_sample < end
    assert [word for chunk in chunks for word in chunk.words] == list(reply_to(server).words)


def test_words_and_phonemes_come_only_on_request(server: RunningServer) -> None:
    words = reply_to(server, "Noise.", time_detail=speech_pb2.TIME_DETAIL_PHONEMES).words

    phonemes = words[0].phonemes
    assert [phoneme.phoneme for phoneme in phonemes] == ["N", "OY1", "Z"]
    assert phonemes[0].start_sample == words[0].start_sample
    assert phonemes[-1].end_sample == words[0].end_sample
    for phoneme, following in pairwise(phonemes):
        assert phoneme.end_sample == following.start_sample
    assert not reply_to(server, "Noise.").words[0].phonemes
    none = {"time_detail": speech_pb2.TIME_DETAIL_NONE}
    assert not reply_to(server, **none).words
    assert not any(chunk.words for chunk in chunks_of(server, **none))


def test_times_are_those_of_the_rate_of_the_reply(server: RunningServer) -> None:
    own, other = reply_to(server), reply_to(server, sample_rate_hz=44_100)

    assert other.info.format.sample_rate_hz == 44_100
    assert other.totals.samples == pytest.approx(2 * own.totals.samples, abs=1)
    assert other.totals.audio_s == pytest.approx(own.totals.audio_s)
    for word, same in zip(other.words, own.words, strict=True):
        assert word.start_sample == pytest.approx(2 * same.start_sample, abs=1)
        assert word.start_s == pytest.approx(same.start_s, abs=1e-4)


def test_ssml_marks_come_as_they_are_passed(server: RunningServer) -> None:
    document = '<speak>Noise <mark name="here"/> becomes <break time="1s"/> speech.</speak>'

    reply = reply_to(server, ssml=document)

    (mark,) = reply.marks
    noise, becomes, speech = reply.words
    assert mark.name == "here"
    assert noise.end_sample <= mark.sample <= becomes.start_sample
    assert mark.time_s == mark.sample / 22_050
    assert speech.start_s - becomes.end_s >= 1.0
    assert document[speech.text_start : speech.text_end] == "speech"


def test_every_encoding_of_the_contract_is_one_of_the_server() -> None:
    named = [number for number in speech_pb2.AudioEncoding.values() if number]

    assert [encoding_message(read_encoding(number)) for number in named] == named
    assert read_encoding(speech_pb2.AUDIO_ENCODING_UNSPECIFIED) is Encoding.PCM_S16
