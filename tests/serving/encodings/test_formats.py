"""What a client may ask for."""

from __future__ import annotations

import pytest

from dlpo_serving.encodings import AudioFormat, Encoding, usual_format
from dlpo_serving.errors import RequestError


@pytest.mark.parametrize("rate", [-1, 0, 7999, 48_001, 96_000])
@pytest.mark.parametrize("encoding", Encoding)
def test_a_rate_out_of_range_is_refused(encoding: Encoding, rate: int) -> None:
    with pytest.raises(RequestError, match=f"sample_rate_hz: is {rate}; expected 8000 to 48000"):
        AudioFormat(encoding, rate)


@pytest.mark.parametrize(
    ("encoding", "rate"),
    [("ogg_opus", 22_050), ("opus_framed", 44_100), ("mp3", 22_000), ("aac", 9000)],
)
def test_a_rate_that_the_codec_does_not_have_is_refused_with_those_it_has(
    encoding: str, rate: int
) -> None:
    with pytest.raises(RequestError, match=f"is {rate}; {encoding} has 8000, .*, 48000") as error:
        AudioFormat(Encoding(encoding), rate)
    assert [violation.field for violation in error.value.violations] == ["sample_rate_hz"]


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("voice_rate_hz", [8000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_every_encoding_has_a_usual_rate_for_every_voice(
    encoding: Encoding, voice_rate_hz: int
) -> None:
    usual = usual_format(encoding, voice_rate_hz).sample_rate_hz

    if encoding in (Encoding.MULAW, Encoding.ALAW):
        assert usual == 8000
    else:
        assert usual >= voice_rate_hz  # nothing of the voice is lost


def test_a_caller_without_a_rate_gets_the_voices_own_where_the_codec_has_it() -> None:
    assert usual_format(Encoding.MP3, 22_050).sample_rate_hz == 22_050
    assert usual_format(Encoding.OGG_OPUS, 22_050).sample_rate_hz == 24_000
