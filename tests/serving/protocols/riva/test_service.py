"""`nvidia.riva.tts` as NVIDIA's own client, Pipecat and LiveKit see it."""

from __future__ import annotations

import base64
import json
import queue
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from dlpo.audio import to_pcm16
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.protocols.riva.proto import riva_audio_pb2, riva_common_pb2, riva_tts_pb2
from dlpo_serving.protocols.riva.proto.riva_tts_pb2 import (
    SynthesizeSpeechRequest,
    SynthesizeSpeechResponse,
)
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import WAIT_S, python_of, refusal
from tests.decoders import decode_stream
from tests.serving.conftest import RunningServer

SERVICE = "/nvidia.riva.tts.RivaSpeechSynthesis"
TEXT = "Noise becomes speech, step by step. Is it not strange?"


DRIVER = Path(__file__).with_name("riva_process.py")
SSML = "\n<?xml version='1.0'?>\n<speak\n>One <sub alias='cat'>fish</sub>.</speak>"
SETTINGS = {"speed": "1.25", "pitch_semitones": "-2", "volume_db": "-6", "seed": "7", "steps": "1"}
FILES = (riva_audio_pb2, riva_common_pb2, riva_tts_pb2)
Online = Callable[..., Iterator[SynthesizeSpeechResponse]]


@dataclass(frozen=True)
class Answer:
    """What came of one call."""

    code: str
    details: str
    raw: list[Any]

    @property
    def replies(self) -> list[Any]:
        """The fields of each SynthesizeSpeechResponse, as the client saw it."""
        found = [SimpleNamespace(**fields) for fields in self.raw]
        for reply in found:
            reply.audio = base64.b64decode(reply.audio)
        return found

    @property
    def audio(self) -> bytes:
        return b"".join(reply.audio for reply in self.replies)


RivaClient = Callable[..., Answer]


@pytest.fixture(scope="session")
def riva_client() -> Iterator[RivaClient]:
    """The client's process: `riva_client(address, "synthesize", arguments={...})` is a call."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([python_of("riva"), str(DRIVER)], text=True, **pipes) as process:

        def call(address: str, do: str, **call: Any) -> Answer:
            process.stdin.write(json.dumps({"address": address, "do": do, **call}) + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            return Answer(answer["code"], answer["details"], answer["replies"])

        yield call
        process.stdin.close()  # it ends at the end of its input


@pytest.fixture
def online(server: RunningServer) -> Online:
    """SynthesizeOnline, called with our own stubs."""
    return server.channel.stream_stream(
        f"{SERVICE}/SynthesizeOnline",
        SynthesizeSpeechRequest.SerializeToString,
        SynthesizeSpeechResponse.FromString,
    )


def samples(audio: bytes) -> np.ndarray:
    return np.frombuffer(audio, "<i2")


def test_texts_of_one_call_are_spoken_in_order_as_one_audio(
    server: RunningServer, riva_client: RivaClient
) -> None:
    requests = [{"text": "One fish."}, {"text": "..."}, {"text": "A red fish."}]

    answer = riva_client(server.address, "raw_online", requests=requests, ids=["a", "b", "c"])

    whole = riva_client(server.address, "synthesize", arguments={"text": "One fish. A red fish."})
    assert answer.audio == whole.audio
    ids = [reply.id for reply in answer.replies]
    assert ids == sorted(ids)
    assert set(ids) == {"a", "c"}
    reported = [(reply.text, reply.processed_text) for reply in answer.replies if reply.text]
    assert reported == [("One fish.", "one fish"), ("A red fish.", "a red fish")]


def test_a_text_is_spoken_before_the_next_one_comes(online: Online) -> None:
    texts: queue.Queue[SynthesizeSpeechRequest | None] = queue.Queue()
    replies = online(iter(texts.get, None), timeout=WAIT_S)

    texts.put(SynthesizeSpeechRequest(text="One fish."))
    assert next(replies).meta.processed_text == "one fish"

    texts.put(SynthesizeSpeechRequest(text="A red fish."))
    texts.put(None)
    assert "a red fish" in [reply.meta.processed_text for reply in replies]


@pytest.mark.parametrize(
    ("encoding", "ours", "rate_hz"),
    [
        ("FLAC", Encoding.FLAC, 16_000),
        ("MULAW", Encoding.MULAW, 16_000),
        ("ALAW", Encoding.ALAW, 16_000),
        ("ENCODING_UNSPECIFIED", Encoding.PCM_S16, 16_000),
        *(("OGGOPUS", Encoding.OPUS_FRAMED, rate) for rate in (8_000, 22_050, 44_100, 48_000)),
    ],
)
def test_every_encoding_of_the_client_holds_the_audio(
    server: RunningServer,
    riva_client: RivaClient,
    synthesizer: Synthesizer,
    encoding: str,
    ours: Encoding,
    rate_hz: int,
) -> None:
    arguments = {"text": "One fish, two fish.", "encoding": encoding, "sample_rate_hz": rate_hz}

    unary = riva_client(server.address, "synthesize", arguments=arguments)
    stream = riva_client(server.address, "synthesize_online", arguments=arguments)

    length_s = len(synthesizer.speak(SpeechRequest(arguments["text"]))) / 22_050
    assert unary.code == "OK"
    heard = decode_stream(unary.audio, ours, rate_hz)
    heard_hz = 48_000 if ours is Encoding.OPUS_FRAMED else rate_hz
    assert len(heard) / heard_hz == pytest.approx(length_s, abs=0.05)  # of a last frame
    np.testing.assert_array_equal(decode_stream(stream.audio, ours, rate_hz), heard)


@pytest.mark.parametrize(
    ("asked", "ours"),
    [
        ({"text": SSML}, SpeechRequest(SSML, ssml=True)),
        (
            {"text": TEXT, "custom_configuration": SETTINGS},
            SpeechRequest(TEXT, 1.25, -2.0, 7, 1, volume_db=-6.0),
        ),
        (
            {"text": "A dlpo sings.", "custom_dictionary": {"dlpo": "diːˈɛl", "fish": "fɪʃ"}},
            SpeechRequest("A dlpo sings.", dictionary={"dlpo": "D IY0 EH1 L"}),
        ),
    ],
    ids=["SSML", "settings by name", "a dictionary in IPA"],
)
def test_what_a_caller_asks_for_is_that_of_dlpo(
    server: RunningServer,
    riva_client: RivaClient,
    synthesizer: Synthesizer,
    asked: dict[str, Any],
    ours: SpeechRequest,
) -> None:
    answer = riva_client(server.address, "synthesize", arguments=asked)

    np.testing.assert_array_equal(samples(answer.audio), to_pcm16(synthesizer.speak(ours)))


def test_words_have_times_in_milliseconds_of_the_whole_call(
    server: RunningServer, riva_client: RivaClient
) -> None:
    requests = [
        {"text": text, "enable_word_time_offsets": True, "sample_rate_hz": 44_100}
        for text in ("One fish.", "A red fish.")
    ]

    answer = riva_client(server.address, "raw_online", requests=requests)

    words = [word for reply in answer.replies for word in reply.words]
    assert [word for word, _, _ in words] == ["one", "fish", "a", "red", "fish"]
    times = [time for _, start, end in words for time in (start, end)]
    assert times == sorted(times)
    assert times[-1] <= 1000 * len(answer.audio) / 2 / 44_100
    durations = [s for reply in answer.replies for s in reply.predicted_durations]
    np.testing.assert_allclose(durations, [(b - a) / 1000 for _, a, b in words], atol=0.001)


def test_voices_are_listed_as_clients_read_them(
    server: RunningServer, riva_client: RivaClient
) -> None:
    answer = riva_client(server.address, "synthesis_config")

    (voice,) = answer.raw
    assert voice["model_name"] == "fake"
    assert voice["parameters"]["language_code"] == "en-US"
    for name, code in (("dlpo.fake", "OK"), ("German-DE.Male-1", "NOT_FOUND")):
        named = {"text": "One fish.", "voice_name": name}
        assert riva_client(server.address, "synthesize", arguments=named).code == code


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("text", {"text": "?!..."}),
        ("text", {"text": "word " * 20_000}),
        ("text", {"text": "<?xml version='1.0'?><!DOCTYPE x []><speak>One</speak>"}),
        ("encoding", {"encoding": 99}),
        ("sample_rate_hz", {"sample_rate_hz": 96_000, "encoding": "OGGOPUS"}),
        ("language_code", {"language_code": "de-DE"}),
        ("custom_dictionary", {"custom_dictionary": "fish  ʘ"}),
        ("custom_configuration", {"custom_configuration": {"exaggeration_factor": "1.5"}}),
        ("custom_configuration[speed]", {"custom_configuration": {"speed": "fast"}}),
        ("custom_configuration[seed]", {"custom_configuration": {"seed": "1.5"}}),
        ("custom_configuration[steps]", {"custom_configuration": {"steps": "2"}}),
        ("zero_shot_data", {"zero_shot_data": {"audio_prompt": b"sound"}}),
    ],
)
def test_what_dlpo_cannot_do_is_refused_by_the_name_of_the_field(
    online: Online, changed: dict[str, Any], field: str
) -> None:
    request = SynthesizeSpeechRequest(**{"text": "One fish.", **changed})

    refused = refusal(online, iter([request]))

    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [field])


def test_settings_that_change_within_a_call_end_it(online: Online) -> None:
    rates = (0, 8_000)
    requests = [SynthesizeSpeechRequest(text="One fish.", sample_rate_hz=rate) for rate in rates]

    refused = refusal(online, iter(requests))

    assert refused.code == "INVALID_ARGUMENT"
    assert "settings" in refused.message


def fields_of(file: FileDescriptorProto) -> dict[str, tuple[int, int, int, str]]:
    """Full name -> number, type, label and type name of every field of every message."""
    found = {}
    pending = [(file.package, message) for message in file.message_type]
    while pending:
        scope, message = pending.pop()
        name = f"{scope}.{message.name}"
        pending += [(name, nested) for nested in message.nested_type]
        for field in message.field:
            facts = (field.number, field.type, field.label, field.type_name)
            found[f"{name}.{field.name}"] = facts
    return found


def test_descriptors_are_those_of_the_client(riva_client: RivaClient) -> None:
    answer = riva_client("nowhere:1", "descriptors")

    for ours, encoded in zip(FILES, answer.raw, strict=True):
        theirs = FileDescriptorProto.FromString(base64.b64decode(encoded))
        mine = FileDescriptorProto()
        ours.DESCRIPTOR.CopyToProto(mine)
        assert fields_of(mine) == fields_of(theirs)
        assert list(mine.enum_type) == list(theirs.enum_type)
        assert list(mine.service) == list(theirs.service)
        # Equal to the byte: a process may load both, protobuf refuses two files that differ.
        assert mine.SerializeToString(deterministic=True) == theirs.SerializeToString(
            deterministic=True
        )
