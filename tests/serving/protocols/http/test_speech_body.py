from __future__ import annotations

from typing import Any

import pytest

from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.errors import RequestError
from dlpo_serving.protocols.http.speech_body import SpeechBody, json_object, read_speech_fields
from dlpo_serving.protocols.http.statuses import BodyError, UnknownModelError
from dlpo_serving.request import SpeechRequest


def parse(**fields: Any) -> SpeechBody:
    return read_speech_fields({"model": "tts-1", "input": "Hello", **fields}, strict=True)


def test_unknown_fields_are_kept_by_name_unless_that_is_strict() -> None:
    content = b'{"input": "Hello", "stream": true, "lang_code": "a", "speeed": 2}'
    body = read_speech_fields(json_object(content))

    assert (body.request, body.stream) == (SpeechRequest("Hello"), True)
    assert body.ignored == ("lang_code", "speeed")


def test_absent_fields_have_openais_defaults() -> None:
    body = parse()

    assert body.request == SpeechRequest("Hello")
    assert (body.encoding, body.sample_rate_hz) == (Encoding.MP3, None)
    assert (body.stream_format, body.voice, body.timeout_s) == ("audio", "", None)
    assert parse(speed=None, voice=None, dictionary=None, sample_rate=None) == body


def test_every_field_arrives() -> None:
    spoken = {
        "speed": 1.5, "pitch_semitones": -1.5, "seed": 7, "steps": 2, "ssml": True,
        "dictionary": {"dlpo": "D IY1 L P OW0"}, "volume_db": 3.0,
    }  # fmt: skip
    body = parse(
        voice={"id": "lj"}, response_format="opus", stream_format="dlpo", instructions="whisper",
        sample_rate=16_000, timeout_s=5, **spoken,
    )  # fmt: skip

    request = SpeechRequest("Hello", **spoken)
    assert body == SpeechBody(
        request, "lj", Encoding.OGG_OPUS, 16_000, "dlpo", 5.0, has_instructions=True
    )


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"input": None}, "input"),
        ({"response_format": "gsm"}, "response_format"),
        ({"speed": 0.2}, "speed"),
        ({"speed": True}, "speed"),
        ({"pitch_semitones": 10**400}, "pitch_semitones"),
        ({"dictionary": {"a": 1}}, "dictionary"),
        ({"timeout_s": -1}, "timeout_s"),
        ({"speeed": 1}, "speeed"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse(**fields)

    assert [violation.field for violation in caught.value.violations] == [name]
    assert "expected" in str(caught.value) or "takes" in str(caught.value)


def test_an_unknown_model_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UnknownModelError, match=r"'whisper-1'; this server has dlpo, tts-1"):
        parse(model="whisper-1")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'"text"',
        b"\xff\xfe",
        b'{"input": "a", "speed": NaN}',
        b'{"input": "a", "speed": Infinity}',
        b'{"input": "half a pair \\ud800"}',
        b'{"\\udc00": 1}',
        b'{"input": "a", "seed": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda content: content[:20].decode("ascii", "replace"),
)
def test_body_must_be_a_json_object(content: bytes) -> None:
    with pytest.raises(BodyError) as caught:
        json_object(content)

    assert caught.value.status == 400


def nested(depth: int) -> Any:
    return [nested(depth - 1)] * 6 if depth else "x" * 100


@pytest.mark.parametrize(
    "fields",
    [
        {"voice": ["x" * 10_000] * 100},
        {"input": nested(6)},
        {"dictionary": {f"word{n}": n for n in range(20_000)}},
        {f"field{n}": n for n in range(20_000)},
        {"x" * 200_000: 1},
    ],
    ids=["long strings", "nested lists", "wrong words", "unknown fields", "a long name"],
)
def test_messages_stay_short_whatever_came(fields: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        parse(**fields)

    assert len(str(caught.value)) < 600
    assert len(caught.value.violations) == 1
