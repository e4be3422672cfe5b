"""What a reply holds beside the samples: format, times, marks."""

from __future__ import annotations

import re
import struct
import wave
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from dlpo.v1 import speech_pb2
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.errors import RequestError
from dlpo_serving.v1.wire import decode_samples, encoding_message, field_path, read_encoding

TEXT = "In 1999, noise becomes speech. Is it not strange?"
TIMEOUT_S = 20.0


def reply_to(server: Any, text: str = TEXT, ssml: str = "", **config: Any) -> Any:
    request = speech_pb2.SynthesizeRequest(
        text="" if ssml else text, ssml=ssml, config=speech_pb2.SynthesisConfig(**config)
    )
    return server.stub.Synthesize(request, timeout=TIMEOUT_S)


def chunks_of(server: Any, **config: Any) -> list[speech_pb2.AudioChunk]:
    request = speech_pb2.StreamSynthesizeRequest(
        text=TEXT, config=speech_pb2.SynthesisConfig(**config)
    )
    parts = server.stub.StreamSynthesize(request, timeout=TIMEOUT_S)
    return [part.audio for part in parts if part.HasField("audio")]


def test_words_are_told_in_order_with_their_place_in_the_text(server: Any) -> None:
    words = reply_to(server).words

    assert [word.word for word in words[:4]] == ["in", "nineteen", "ninety", "nine"]
    assert [TEXT[word.text_start : word.text_end] for word in words[:5]] == [
        "In", "1999", "1999", "1999", "noise",
    ]  # fmt: skip
    starts = [word.start_sample for word in words]
    assert starts == sorted(starts)
    for word in words:
        assert word.start_s == word.start_sample / 22_050
        assert word.end_s == word.end_sample / 22_050
        assert word.start_sample < word.end_sample


def test_a_chunk_tells_the_words_that_begin_in_it(server: Any) -> None:
    chunks = chunks_of(server)

    ends = [chunk.sample_offset for chunk in chunks[1:]] + [chunks[-1].sample_offset + 10**9]
    for chunk, end in zip(chunks, ends, strict=True):
        for word in chunk.words:
            assert chunk.sample_offset <= word.start_sample < end
    assert [word for chunk in chunks for word in chunk.words] == list(reply_to(server).words)


def test_phonemes_are_told_where_they_are_asked_for(server: Any) -> None:
    words = reply_to(server, "Noise.", time_detail=speech_pb2.TIME_DETAIL_PHONEMES).words

    phonemes = words[0].phonemes
    assert [phoneme.phoneme for phoneme in phonemes] == ["N", "OY1", "Z"]
    assert phonemes[0].start_sample == words[0].start_sample
    assert phonemes[-1].end_sample == words[0].end_sample
    for phoneme, following in pairwise(phonemes):
        assert phoneme.end_sample == following.start_sample
    assert not reply_to(server, "Noise.").words[0].phonemes


def test_words_are_left_out_where_nobody_wants_them(server: Any) -> None:
    detail = speech_pb2.TIME_DETAIL_NONE

    assert not reply_to(server, time_detail=detail).words
    assert not any(chunk.words for chunk in chunks_of(server, time_detail=detail))


def test_times_are_those_of_the_rate_of_the_reply(server: Any) -> None:
    own, other = reply_to(server), reply_to(server, sample_rate_hz=44_100)

    assert other.info.format.sample_rate_hz == 44_100
    assert other.totals.samples == pytest.approx(2 * own.totals.samples, abs=1)
    assert other.totals.audio_s == pytest.approx(own.totals.audio_s)
    for word, same in zip(other.words, own.words, strict=True):
        assert word.start_sample == pytest.approx(2 * same.start_sample, abs=1)
        assert word.start_s == pytest.approx(same.start_s, abs=1e-4)


def test_marks_of_a_document_are_told_when_they_are_passed(server: Any) -> None:
    document = '<speak>Noise <mark name="here"/> becomes <break time="1s"/> speech.</speak>'

    reply = reply_to(server, ssml=document)

    (mark,) = reply.marks
    noise, becomes, speech = reply.words
    assert mark.name == "here"
    assert noise.end_sample <= mark.sample <= becomes.start_sample
    assert mark.time_s == mark.sample / 22_050
    assert speech.start_s - becomes.end_s >= 1.0
    assert document[speech.text_start : speech.text_end] == "speech"


@pytest.mark.parametrize(
    ("name", "begin", "rate"),
    [
        ("WAV", b"RIFF", 22_050),
        ("FLAC", b"fLaC", 22_050),
        ("OGG_OPUS", b"OggS", 24_000),
        ("MP3", b"\xff", 22_050),
        ("AAC", b"\xff", 22_050),
        ("MULAW", b"", 8_000),
        ("ALAW", b"", 8_000),
    ],
)
def test_every_encoding_is_one_stream(server: Any, name: str, begin: bytes, rate: int) -> None:
    encoding = speech_pb2.AudioEncoding.Value(f"AUDIO_ENCODING_{name}")

    reply = reply_to(server, encoding=encoding)

    joined = b"".join(chunk.audio for chunk in chunks_of(server, encoding=encoding))
    assert reply.info.format.encoding == encoding
    assert reply.info.format.sample_rate_hz == rate
    assert without_lot(joined) == without_lot(reply.audio)
    assert joined.startswith(begin)
    assert joined.count(b"RIFF") == (name == "WAV")


def without_lot(audio: bytes) -> bytes:
    """Ogg pages without the stream's number, drawn by lot, and without the checksum over it."""
    return re.sub(rb"(?s)(OggS.{10}).{4}(.{4}).{4}", rb"\1\2", audio)


def test_volume_is_a_gain(server: Any) -> None:
    encoding = speech_pb2.AUDIO_ENCODING_WAV

    soft, usual = (
        max(abs(s) for s in memoryview(wave_bytes(reply_to(server, **c).audio)).cast("h"))
        for c in ({"encoding": encoding, "volume_db": -20.0}, {"encoding": encoding})
    )

    assert soft == pytest.approx(usual / 10, rel=0.1)


def wave_bytes(audio: bytes) -> bytes:
    """The samples of a streamed WAV file."""
    with wave.open(BytesIO(audio)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.readframes(len(audio) // 2)


@pytest.mark.parametrize(
    ("text", "ssml"),
    [
        ("both", "<speak>both</speak>"),
        ("", "<speak>"),
        ("", "<speak><audio src='x'/></speak>"),
        ("", "<!DOCTYPE x [<!ENTITY a 'b'>]><speak>&a;</speak>"),
    ],
)
def test_a_document_that_is_wrong_is_an_invalid_argument(
    server: Any, refusal: Callable[..., Any], text: str, ssml: str
) -> None:
    request = speech_pb2.SynthesizeRequest(text=text, ssml=ssml)

    refused = refusal(server.stub.Synthesize, request)

    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["ssml"])


NUMBERS = speech_pb2.AudioEncoding.values()


def test_every_encoding_of_the_contract_is_one_of_the_server() -> None:
    named = [number for number in NUMBERS if number]

    assert [encoding_message(read_encoding(number)) for number in named] == named
    assert read_encoding(speech_pb2.AUDIO_ENCODING_UNSPECIFIED) is Encoding.PCM_S16


def test_an_encoding_of_the_future_is_refused() -> None:
    with pytest.raises(RequestError, match="this server knows"):
        read_encoding(99)


def test_samples_are_little_endian() -> None:
    floats = decode_samples(struct.pack("<2f", 0.5, -1), speech_pb2.AUDIO_ENCODING_LINEAR_PCM_F32)
    ints = decode_samples(
        struct.pack("<3h", 32767, -32767, 0), speech_pb2.AUDIO_ENCODING_LINEAR_PCM_S16
    )

    assert floats.tolist() == [0.5, -1]
    assert ints.tolist() == [1, -1, 0]
    assert floats.dtype == ints.dtype == np.float32


def test_fields_are_named_by_their_place_in_the_message() -> None:
    assert field_path("text") == "text"
    assert field_path("ssml") == "ssml"
    assert field_path("speed") == "config.speed"
