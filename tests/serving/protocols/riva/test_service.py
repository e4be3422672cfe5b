"""`nvidia.riva.tts` as its callers see it; NVIDIA's own client has the same messages."""

from __future__ import annotations

import base64
import queue
import subprocess
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from dlpo.audio import to_pcm16
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.protocols.riva.proto import riva_audio_pb2, riva_common_pb2, riva_tts_pb2
from dlpo_serving.protocols.riva.proto.riva_tts_pb2 import (
    RivaSynthesisConfigRequest,
    RivaSynthesisConfigResponse,
    SynthesizeSpeechRequest,
    SynthesizeSpeechResponse,
)
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import WAIT_S, Refusal, python_of, refusal
from tests.decoders import decode_stream
from tests.serving.conftest import RunningServer

SERVICE = "/nvidia.riva.tts.RivaSpeechSynthesis"
TEXT = "Noise becomes speech, step by step. Is it not strange?"
SSML = "\n<?xml version='1.0'?>\n<speak\n>One <sub alias='cat'>fish</sub>.</speak>"
SETTINGS = {"speed": "1.25", "pitch_semitones": "-2", "volume_db": "-6", "seed": "7", "steps": "1"}
FILES = (riva_audio_pb2, riva_common_pb2, riva_tts_pb2)
PRINTED = """
import base64, importlib
for name in ("audio", "common", "tts"):
    file = importlib.import_module(f"riva.client.proto.riva_{name}_pb2")
    print(base64.b64encode(file.DESCRIPTOR.serialized_pb).decode())
"""


class Stub:
    """The methods of the service."""

    def __init__(self, server: RunningServer) -> None:
        types = SynthesizeSpeechRequest.SerializeToString, SynthesizeSpeechResponse.FromString
        self.unary = server.channel.unary_unary(f"{SERVICE}/Synthesize", *types)
        self.online = server.channel.stream_stream(f"{SERVICE}/SynthesizeOnline", *types)
        self.config = server.channel.unary_unary(
            f"{SERVICE}/GetRivaSynthesisConfig",
            RivaSynthesisConfigRequest.SerializeToString,
            RivaSynthesisConfigResponse.FromString,
        )

    def say(self, **fields: Any) -> SynthesizeSpeechResponse:
        return self.unary(SynthesizeSpeechRequest(**fields), timeout=WAIT_S)

    def stream(self, *requests: dict[str, Any]) -> list[SynthesizeSpeechResponse]:
        sent = [SynthesizeSpeechRequest(**fields) for fields in requests]
        return list(self.online(iter(sent), timeout=WAIT_S))

    def refusal(self, *requests: dict[str, Any]) -> Refusal:
        return refusal(self.online, iter(SynthesizeSpeechRequest(**one) for one in requests))


@pytest.fixture
def riva(server: RunningServer) -> Stub:
    return Stub(server)


def audio_of(replies: list[SynthesizeSpeechResponse]) -> bytes:
    return b"".join(reply.audio for reply in replies)


def samples(audio: bytes) -> np.ndarray:
    return np.frombuffer(audio, "<i2")


def test_texts_of_one_call_are_spoken_in_order_as_one_audio(riva: Stub) -> None:
    texts = {"a": "One fish.", "b": "...", "c": "A red fish."}
    replies = riva.stream(*({"text": text, "id": {"value": id}} for id, text in texts.items()))
    assert audio_of(replies) == riva.say(text="One fish. A red fish.").audio
    ids = [reply.id.value for reply in replies]
    assert ids == sorted(ids)
    assert set(ids) == {"a", "c"}
    reported = [(one.meta.text, one.meta.processed_text) for one in replies if one.meta.text]
    assert reported == [("One fish.", "one fish"), ("A red fish.", "a red fish")]


def test_a_text_is_spoken_before_the_next_one_comes(riva: Stub) -> None:
    texts: queue.Queue[SynthesizeSpeechRequest | None] = queue.Queue()
    replies = riva.online(iter(texts.get, None), timeout=WAIT_S)

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
def test_every_encoding_holds_the_audio(
    riva: Stub, synthesizer: Synthesizer, encoding: str, ours: Encoding, rate_hz: int
) -> None:
    asked = {"text": "One fish, two fish.", "encoding": encoding, "sample_rate_hz": rate_hz}
    heard = decode_stream(riva.say(**asked).audio, ours, rate_hz)
    length_s = len(synthesizer.speak(SpeechRequest(asked["text"]))) / 22_050
    heard_hz = 48_000 if ours is Encoding.OPUS_FRAMED else rate_hz
    assert len(heard) / heard_hz == pytest.approx(length_s, abs=0.05)  # of a last frame
    streamed = decode_stream(audio_of(riva.stream(asked)), ours, rate_hz)
    np.testing.assert_array_equal(streamed, heard)


@pytest.mark.parametrize(
    ("asked", "ours"),
    [
        ({"text": SSML}, SpeechRequest(SSML, ssml=True)),
        (
            {"text": TEXT, "custom_configuration": SETTINGS},
            SpeechRequest(TEXT, 1.25, -2.0, 7, 1, volume_db=-6.0),
        ),
        (
            {"text": "A dlpo sings.", "custom_dictionary": "dlpo  diːˈɛl,fish  fɪʃ"},
            SpeechRequest("A dlpo sings.", dictionary={"dlpo": "D IY0 EH1 L"}),
        ),
    ],
    ids=["SSML", "settings by name", "a dictionary in IPA"],
)
def test_what_a_caller_asks_for_is_that_of_dlpo(
    riva: Stub, synthesizer: Synthesizer, asked: dict[str, Any], ours: SpeechRequest
) -> None:
    np.testing.assert_array_equal(
        samples(riva.say(**asked).audio), to_pcm16(synthesizer.speak(ours))
    )


def test_words_have_times_in_milliseconds_of_the_whole_call(riva: Stub) -> None:
    asked = {"enable_word_time_offsets": True, "sample_rate_hz": 44_100}
    replies = riva.stream({"text": "One fish.", **asked}, {"text": "A red fish.", **asked})
    words = [word for reply in replies for word in reply.meta.words]
    assert [word.word for word in words] == ["one", "fish", "a", "red", "fish"]
    times = [time for word in words for time in (word.start_time, word.end_time)]
    assert times == sorted(times)
    assert times[-1] <= 1000 * len(audio_of(replies)) / 2 / 44_100
    durations = [s for reply in replies for s in reply.meta.predicted_durations]
    lasted = [(word.end_time - word.start_time) / 1000 for word in words]
    np.testing.assert_allclose(durations, lasted, atol=0.001)
    assert not riva.say(text="One fish.").meta.words  # nobody asked


def test_voices_are_listed_as_clients_read_them(riva: Stub) -> None:
    (voice,) = riva.config(RivaSynthesisConfigRequest(), timeout=WAIT_S).model_config
    assert (voice.model_name, voice.parameters["language_code"]) == ("fake", "en-US")
    assert riva.say(text="One fish.", voice_name="dlpo.fake").audio
    named = {"text": "One fish.", "voice_name": "German-DE.Male-1"}
    assert riva.refusal(named).code == "NOT_FOUND"


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
    riva: Stub, changed: dict[str, Any], field: str
) -> None:
    refused = riva.refusal({"text": "One fish.", **changed})
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [field])


def test_settings_that_change_within_a_call_end_it(riva: Stub) -> None:
    refused = riva.refusal({"text": "One fish."}, {"text": "Two.", "sample_rate_hz": 8_000})
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


@pytest.mark.full
def test_descriptors_are_those_of_nvidias_client() -> None:
    printed = subprocess.check_output([python_of("riva"), "-c", PRINTED], text=True)
    for ours, encoded in zip(FILES, printed.split(), strict=True):
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
