"""`nvidia.riva.tts` as NVIDIA's own client sees it, with the fake engine behind it."""

from __future__ import annotations

import io
import queue
import struct
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from dlpo.audio import to_pcm16
from dlpo_serving.request import SpeechRequest
from dlpo_serving.riva.proto.riva_tts_pb2 import SynthesizeSpeechRequest, SynthesizeSpeechResponse
from dlpo_serving.riva.servicer import is_ssml
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import open_voice

SERVICE = "/nvidia.riva.tts.RivaSpeechSynthesis"
TEXT = "Noise becomes speech, step by step. Is it not strange?"
TIMEOUT_S = 20.0


def online(server: Any) -> Any:
    """SynthesizeOnline, called with our own stubs."""
    return server.channel.stream_stream(
        f"{SERVICE}/SynthesizeOnline",
        SynthesizeSpeechRequest.SerializeToString,
        SynthesizeSpeechResponse.FromString,
    )


def samples(audio: bytes) -> np.ndarray:
    return np.frombuffer(audio, "<i2")


def test_synthesize_returns_the_offline_audio(
    server: Any, riva_client: Any, synthesizer: Synthesizer
) -> None:
    answer = riva_client(server.address, "synthesize", arguments={"text": TEXT})

    assert (answer.code, answer.details) == ("OK", "")
    np.testing.assert_array_equal(
        samples(answer.audio), to_pcm16(synthesizer.speak(SpeechRequest(TEXT)))
    )


def test_the_stream_joined_is_the_unary_reply(server: Any, riva_client: Any) -> None:
    unary = riva_client(server.address, "synthesize", arguments={"text": TEXT})
    stream = riva_client(server.address, "synthesize_online", arguments={"text": TEXT})

    assert len(stream.replies) > 2
    assert stream.audio == unary.audio


def test_texts_of_one_call_are_spoken_in_order_as_one_audio(server: Any, riva_client: Any) -> None:
    requests = [{"text": "One fish."}, {"text": "..."}, {"text": "A red fish."}]

    answer = riva_client(server.address, "raw_online", requests=requests, ids=["a", "b", "c"])

    whole = riva_client(server.address, "synthesize", arguments={"text": "One fish. A red fish."})
    assert answer.audio == whole.audio
    ids = [reply.id for reply in answer.replies]
    assert ids == sorted(ids)
    assert set(ids) == {"a", "c"}
    told = [(reply.text, reply.processed_text) for reply in answer.replies if reply.text]
    assert told == [("One fish.", "one fish"), ("A red fish.", "a red fish")]


def test_a_text_is_spoken_before_the_next_one_comes(server: Any) -> None:
    texts: queue.Queue[SynthesizeSpeechRequest | None] = queue.Queue()
    replies = online(server)(iter(texts.get, None), timeout=TIMEOUT_S)

    texts.put(SynthesizeSpeechRequest(text="One fish."))
    assert next(replies).meta.processed_text == "one fish"

    texts.put(SynthesizeSpeechRequest(text="A red fish."))
    texts.put(None)
    assert "a red fish" in [reply.meta.processed_text for reply in replies]


@pytest.mark.parametrize("encoding", ["FLAC", "MULAW", "ALAW", "OGGOPUS", "ENCODING_UNSPECIFIED"])
@pytest.mark.parametrize("do", ["synthesize", "synthesize_online"])
def test_every_encoding_of_the_client_holds_the_audio(
    server: Any, riva_client: Any, synthesizer: Synthesizer, do: str, encoding: str
) -> None:
    arguments = {"text": "One fish, two fish.", "encoding": encoding, "sample_rate_hz": 16_000}

    answer = riva_client(server.address, do, arguments=arguments)

    length_s = len(synthesizer.speak(SpeechRequest(arguments["text"]))) / 22_050
    assert answer.code == "OK"
    assert decoded_s(answer.audio, encoding) == pytest.approx(length_s, abs=0.03)  # of a last frame


def decoded_s(audio: bytes, encoding: str) -> float:
    """Seconds at 16 kHz that others than us find in the audio."""
    if encoding == "OGGOPUS":
        packets = framed_packets(audio)
        decoder = av.CodecContext.create("libopus", "r")
        decoder.sample_rate = 16_000
        return sum(f.samples for p in packets for f in decoder.decode(av.Packet(p))) / 48_000
    if encoding == "FLAC":
        with av.open(io.BytesIO(audio)) as file:
            return sum(frame.samples for frame in file.decode(audio=0)) / 16_000
    subtypes = {"MULAW": "ULAW", "ALAW": "ALAW", "ENCODING_UNSPECIFIED": "PCM_16"}
    raw = {"samplerate": 16_000, "channels": 1, "format": "RAW"}
    decoded, rate = soundfile.read(io.BytesIO(audio), subtype=subtypes[encoding], **raw)
    assert np.abs(decoded).max() > 0.01
    return len(decoded) / rate


def framed_packets(audio: bytes) -> list[bytes]:
    """[int32 length][packet], again and again, up to the last byte."""
    packets = []
    while audio:
        (length,) = struct.unpack_from("<i", audio)
        packets.append(audio[4 : 4 + length])
        assert len(packets[-1]) == length > 0
        audio = audio[4 + length :]
    return packets


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_opus_is_served_at_the_rates_that_clients_ask_for(
    server: Any, riva_client: Any, rate_hz: int
) -> None:
    arguments = {"text": "One fish.", "encoding": "OGGOPUS", "sample_rate_hz": rate_hz}

    answer = riva_client(server.address, "synthesize_online", arguments=arguments)

    assert answer.code == "OK"
    assert all(framed_packets(reply.audio) for reply in answer.replies if reply.audio)


def test_a_dictionary_in_ipa_is_spoken(
    server: Any, riva_client: Any, synthesizer: Synthesizer
) -> None:
    arguments = {"text": "A dlpo sings.", "custom_dictionary": {"dlpo": "diːˈɛl", "fish": "fɪʃ"}}

    answer = riva_client(server.address, "synthesize", arguments=arguments)

    ours = SpeechRequest("A dlpo sings.", dictionary={"dlpo": "D IY0 EH1 L"})
    np.testing.assert_array_equal(samples(answer.audio), to_pcm16(synthesizer.speak(ours)))


def test_settings_by_name_are_those_of_dlpo(
    server: Any, riva_client: Any, synthesizer: Synthesizer
) -> None:
    settings = {
        "speed": "1.25", "pitch_semitones": "-2", "volume_db": "-6", "seed": "7", "steps": "1",
    }  # fmt: skip

    answer = riva_client(
        server.address,
        "synthesize",
        arguments={"text": TEXT, "custom_configuration": settings},
    )

    ours = SpeechRequest(TEXT, 1.25, -2.0, 7, 1, volume_db=-6.0)
    np.testing.assert_array_equal(samples(answer.audio), to_pcm16(synthesizer.speak(ours)))


def test_a_text_that_begins_with_speak_is_ssml(
    server: Any, riva_client: Any, synthesizer: Synthesizer
) -> None:
    document = "<speak>One <sub alias='cat'>fish</sub>.</speak>"

    answer = riva_client(server.address, "synthesize_online", arguments={"text": document})

    assert answer.replies[0].processed_text == "one cat"
    expected = synthesizer.speak(SpeechRequest(document, ssml=True))
    np.testing.assert_array_equal(samples(answer.audio), to_pcm16(expected))


def test_words_have_times_in_milliseconds_of_the_whole_call(server: Any, riva_client: Any) -> None:
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


def test_words_are_left_out_where_nobody_asked(server: Any, riva_client: Any) -> None:
    answer = riva_client(server.address, "synthesize", arguments={"text": TEXT})

    (reply,) = answer.replies
    assert reply.words == []
    assert len(reply.predicted_durations) == len(reply.processed_text.split())


def test_voices_are_listed_as_clients_read_them(server: Any, riva_client: Any) -> None:
    answer = riva_client(server.address, "synthesis_config")

    (voice,) = answer.raw
    assert voice["model_name"] == "fake"
    assert voice["parameters"]["language_code"] == "en-US"
    named = {"text": "One fish.", "voice_name": "dlpo.fake"}
    assert riva_client(server.address, "synthesize", arguments=named).code == "OK"


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("text", {"text": ""}),
        ("text", {"text": "?!..."}),
        ("text", {"text": "word " * 20_000}),
        ("text", {"text": "<speak><audio src='http://x'/></speak>"}),
        ("text", {"text": "<!DOCTYPE x [<!ENTITY a 'b'>]><speak>&a;</speak>"}),
        ("text", {"text": "<?xml version='1.0'?><!DOCTYPE x []><speak>One</speak>"}),
        ("sample_rate_hz", {"sample_rate_hz": 7_999}),
        ("sample_rate_hz", {"sample_rate_hz": 96_000, "encoding": "OGGOPUS"}),
        ("language_code", {"language_code": "de-DE"}),
        ("custom_dictionary", {"custom_dictionary": {"fish": "ʘ"}}),
        ("custom_dictionary", {"custom_dictionary": {"fish": ""}}),
        ("custom_configuration", {"custom_configuration": {"exaggeration_factor": "1.5"}}),
        ("custom_configuration[speed]", {"custom_configuration": {"speed": "fast"}}),
        ("custom_configuration[steps]", {"custom_configuration": {"steps": "2"}}),
        ("zero_shot_data", {"zero_shot_audio_prompt_file": __file__}),
    ],
)
@pytest.mark.parametrize("do", ["synthesize", "synthesize_online"])
def test_what_dlpo_cannot_do_is_refused_by_the_name_of_the_field(
    server: Any, riva_client: Any, do: str, field: str, arguments: dict[str, Any]
) -> None:
    answer = riva_client(server.address, do, arguments={"text": "One fish.", **arguments})

    assert answer.code == "INVALID_ARGUMENT"
    assert field.split("[")[-1].rstrip("]") in answer.details


@pytest.mark.parametrize(
    "text",
    ["<speak>One <!-- --> fish.</speak>", "\n<?xml version='1.0'?>\n<speak\n>One fish.</speak>"],
)
def test_documents_may_have_a_declaration(text: str) -> None:
    assert is_ssml(text)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"encoding": 99}, "encoding"),
        ({"custom_dictionary": "fish"}, "custom_dictionary"),
        ({"custom_configuration": {"speed": "0"}}, "custom_configuration[speed]"),
        ({"custom_configuration": {"seed": "1.5"}}, "custom_configuration[seed]"),
    ],
)
def test_details_name_the_field_of_the_message(
    server: Any, refusal: Callable[..., Any], changed: dict[str, Any], field: str
) -> None:
    request = SynthesizeSpeechRequest(text="One fish.", **changed)

    refused = refusal(online(server), iter([request]))

    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [field])


def test_an_unknown_voice_is_not_found(server: Any, riva_client: Any) -> None:
    arguments = {"text": "One fish.", "voice_name": "German-DE.Male-1"}

    answer = riva_client(server.address, "synthesize", arguments=arguments)

    assert answer.code == "NOT_FOUND"
    assert "German-DE.Male-1" in answer.details


def test_settings_that_change_within_a_call_end_it(
    server: Any, refusal: Callable[..., Any]
) -> None:
    rates = (0, 8_000)
    requests = [SynthesizeSpeechRequest(text="One fish.", sample_rate_hz=rate) for rate in rates]

    refused = refusal(online(server), iter(requests))

    assert refused.code == "INVALID_ARGUMENT"
    assert "settings" in refused.message


def test_the_embedded_voice_speaks_to_the_client(
    start_server: Callable[..., Any], riva_client: Any
) -> None:
    voice = open_voice("lj")
    server = start_server(voice)
    arguments = {"text": TEXT, "voice_name": "Magpie-Multilingual.EN-US.Aria"}

    answer = riva_client(server.address, "synthesize_online", arguments=arguments)

    assert answer.code == "OK"
    np.testing.assert_array_equal(samples(answer.audio), to_pcm16(voice.speak(SpeechRequest(TEXT))))
