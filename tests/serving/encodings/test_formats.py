"""What a client may ask for; G.711 against the recommendation's tables; resampling in pieces."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from dlpo.audio import Waveform
from dlpo.errors import MissingExtraError
from dlpo_serving.encodings.encoder import Resampler, alaw, mulaw
from dlpo_serving.encodings.formats import AudioFormat, Encoding, usual_format
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


EVERY_SAMPLE = np.arange(-32_768, 32_768).astype(np.int16)


def decisions(first_step: int, first_count: int) -> NDArray[np.int64]:
    """Decision values of a table: 16 to a segment, each step twice that of the segment before."""
    steps = [first_step] * first_count + [first_step * 2**k for k in range(1, 8) for _ in range(16)]
    return np.concatenate([[0], np.cumsum(steps)])


def magnitude(bits: int) -> NDArray[np.int64]:
    """Of every sample on a scale of sign and `bits` bits; negative ones are counted from -1 on."""
    samples = EVERY_SAMPLE.astype(np.int64)
    return np.where(samples < 0, -1 - samples, samples) >> (15 - bits)


def test_mulaw_is_table_2_of_the_recommendation() -> None:
    # 0, 1, 3, 5 ... 31, then steps of 4 to 95, ... of 256 to 8159
    values = np.maximum(decisions(2, 16) - 1, 0)
    assert values[16] == 31
    assert values[-1] == 8159
    interval = np.minimum(np.searchsorted(values, magnitude(13), side="right") - 1, 127)
    expected = np.where(EVERY_SAMPLE < 0, 0x7F, 0xFF) - interval

    np.testing.assert_array_equal(mulaw(EVERY_SAMPLE), expected)


def test_alaw_is_table_1_of_the_recommendation() -> None:
    values = decisions(2, 32)[:129]  # 0, 2 ... 64, then steps of 4 to 128, ... of 128 to 4096
    assert values[32] == 64
    assert values[-1] == 4096
    interval = np.searchsorted(values, magnitude(12), side="right") - 1
    expected = np.where(EVERY_SAMPLE < 0, 0, 0x80) + interval

    np.testing.assert_array_equal(alaw(EVERY_SAMPLE) ^ 0x55, expected)


VOICE_HZ = 22_050
RATES_HZ = [8000, 11_025, 12_345, 16_000, 24_000, 44_100, 48_000]


def resampled(samples: Waveform, rate: int, cuts: list[int]) -> Waveform:
    resampler = Resampler(VOICE_HZ, rate)
    pieces = [resampler.resample(piece) for piece in np.split(samples, cuts)]
    return np.concatenate([*pieces, resampler.resample(np.zeros(0, np.float32), last=True)])


@pytest.mark.parametrize("rate", RATES_HZ)
def test_cutting_changes_no_bit(rate: int) -> None:
    noise = np.random.default_rng(rate).standard_normal(11_000).astype(np.float32)
    whole = resampled(noise, rate, [])

    np.testing.assert_array_equal(resampled(noise, rate, [2400, 2401, 2401, 9600]), whole)
    np.testing.assert_array_equal(resampled(noise, rate, list(range(300, 11_000, 300))), whole)


def test_without_soxr_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)

    with pytest.raises(MissingExtraError, match=r"soxr is not installed.*dlpo\[serve\]"):
        Resampler(22_050, 8000)
