"""Every encoding, from samples in pieces to what a player hears."""

from __future__ import annotations

import io
import sys
import wave
from collections.abc import Callable

import numpy as np
import psutil
import pytest
import soxr
from numpy.typing import NDArray

from dlpo.audio import Waveform, to_pcm16
from dlpo.errors import EngineError, MissingExtraError
from dlpo_serving.encodings import (
    AudioEncoder,
    AudioFormat,
    Encoding,
    open_encoder,
    usual_format,
    warm_encoders,
)
from dlpo_serving.encodings.codec import MP3, OPUS, CodecStream

Samples = NDArray[np.float64]
Decode = Callable[[bytes, Encoding, int], Samples]

VOICE_HZ = 22_050
FIRST_CHUNK = 2400  # samples, 8 frames
LOSSLESS = [Encoding.PCM_S16, Encoding.WAV, Encoding.FLAC]
CODED = [Encoding.FLAC, Encoding.OGG_OPUS, Encoding.OPUS_FRAMED, Encoding.MP3, Encoding.AAC]

every_encoding = pytest.mark.parametrize("encoding", Encoding)


def encode(samples: Waveform, format: AudioFormat, cuts: list[int]) -> bytes:
    encoder = open_encoder(format, VOICE_HZ)
    pieces = [encoder.encode(piece) for piece in np.split(samples, cuts)]
    return b"".join(pieces) + encoder.finish()


def heard_hz(format: AudioFormat) -> int:
    """FFmpeg decodes bare Opus packets at 48 kHz, whatever went in."""
    return 48_000 if format.encoding == Encoding.OPUS_FRAMED else format.sample_rate_hz


def likeness(heard: Samples, speech: Waveform, rate: int) -> float:
    """Correlation with the speech, where it fits best: codecs begin with some silence."""
    sent = soxr.resample(speech, VOICE_HZ, rate)
    size = len(heard) + len(sent)
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size)), size)
    return float(cross.max() / np.linalg.norm(heard) / np.linalg.norm(sent))


@every_encoding
def test_what_is_heard_is_the_speech(encoding: Encoding, speech: Waveform, decode: Decode) -> None:
    format = usual_format(encoding, VOICE_HZ)
    audio = encode(speech, format, [FIRST_CHUNK, 9600])

    heard = decode(audio, encoding, format.sample_rate_hz)

    assert likeness(heard, speech, heard_hz(format)) > 0.98


@pytest.mark.parametrize("encoding", LOSSLESS)
def test_lossless_encodings_keep_every_sample(
    encoding: Encoding, speech: Waveform, decode: Decode
) -> None:
    audio = encode(speech, AudioFormat(encoding, VOICE_HZ), [FIRST_CHUNK])

    scale = 32_767 if encoding == Encoding.PCM_S16 else 32_768
    pcm = np.round(scale * decode(audio, encoding, VOICE_HZ))
    np.testing.assert_array_equal(pcm, to_pcm16(speech))


def test_floats_are_not_rounded(speech: Waveform, decode: Decode) -> None:
    audio = encode(speech, AudioFormat(Encoding.PCM_F32, VOICE_HZ), [FIRST_CHUNK])

    np.testing.assert_array_equal(decode(audio, Encoding.PCM_F32, VOICE_HZ), speech)


@every_encoding
def test_cutting_changes_nothing_that_is_heard(
    encoding: Encoding, speech: Waveform, decode: Decode
) -> None:
    format = usual_format(encoding, VOICE_HZ)
    whole = encode(speech, format, [])
    pieces = encode(speech, format, [1, FIRST_CHUNK, FIRST_CHUNK, 9600])

    if encoding != Encoding.OGG_OPUS:  # its pages are sent with what there is
        assert pieces == whole
    np.testing.assert_array_equal(
        decode(pieces, encoding, format.sample_rate_hz),
        decode(whole, encoding, format.sample_rate_hz),
    )


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("rate", [8000, 16_000, 24_000, 48_000])
def test_the_last_sound_is_not_cut_off(
    encoding: Encoding, rate: int, speech: Waveform, decode: Decode
) -> None:
    speech = speech[:20_011]
    format = AudioFormat(encoding, rate)

    heard = decode(encode(speech, format, [FIRST_CHUNK]), encoding, rate)

    expected = len(speech) / VOICE_HZ * heard_hz(format)
    if encoding in (Encoding.OPUS_FRAMED, Encoding.MP3, Encoding.AAC):  # whole frames, silence
        assert expected <= len(heard) < expected + 0.5 * heard_hz(format)
    else:
        assert abs(len(heard) - expected) <= 1


@every_encoding
def test_the_first_chunk_of_a_stream_is_not_held_back(
    encoding: Encoding, speech: Waveform, decode: Decode
) -> None:
    format = usual_format(encoding, VOICE_HZ)

    first = open_encoder(format, VOICE_HZ).encode(speech[:FIRST_CHUNK])

    heard = decode(first, encoding, format.sample_rate_hz)
    assert len(heard) > 0.045 * heard_hz(format)


@every_encoding
def test_a_stream_without_samples_ends_well(encoding: Encoding, decode: Decode) -> None:
    encoder = open_encoder(AudioFormat(encoding, 24_000), VOICE_HZ)
    audio = encoder.encode(np.zeros(0, np.float32)) + encoder.finish()

    if encoding in (Encoding.WAV, Encoding.FLAC):
        assert len(decode(audio, encoding, 24_000)) == 0
    elif encoding == Encoding.OGG_OPUS:
        assert audio.count(b"OggS") == 3  # head, tags, and an end without a packet
    else:
        assert audio == b""


@every_encoding
def test_empty_pieces_change_nothing(encoding: Encoding, speech: Waveform) -> None:
    format = usual_format(encoding, VOICE_HZ)
    cuts = [0, 0, FIRST_CHUNK, FIRST_CHUNK, len(speech), len(speech)]

    assert encode(speech, format, cuts) == encode(speech, format, [FIRST_CHUNK])


@every_encoding
def test_too_loud_samples_are_clipped_and_never_wrap(
    encoding: Encoding, speech: Waveform, decode: Decode
) -> None:
    format = usual_format(encoding, VOICE_HZ)

    heard = decode(encode(6 * speech, format, []), encoding, format.sample_rate_hz)

    clipped = np.clip(6 * speech, -1, 1)
    assert likeness(np.clip(heard, -1, 1), clipped, heard_hz(format)) > 0.95


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@every_encoding
def test_samples_that_are_no_numbers_are_refused(encoding: Encoding, value: float) -> None:
    encoder = open_encoder(usual_format(encoding, VOICE_HZ), VOICE_HZ)

    with pytest.raises(EngineError, match="no numbers"):
        encoder.encode(np.float32([0, value]))
    encoder.finish()


@every_encoding
def test_a_finished_stream_takes_nothing_more(encoding: Encoding, speech: Waveform) -> None:
    encoder = open_encoder(usual_format(encoding, VOICE_HZ), VOICE_HZ)
    encoder.encode(speech)
    encoder.finish()

    with pytest.raises(EngineError, match="is finished; open an encoder for the next one"):
        encoder.finish()
    with pytest.raises(EngineError, match="is finished"):
        encoder.encode(speech)


@every_encoding
def test_streams_side_by_side_do_not_mix(encoding: Encoding, speech: Waveform) -> None:
    format = usual_format(encoding, VOICE_HZ)
    others = [speech, speech[::-1].copy(), 0.5 * speech]
    alone = [encode(samples, format, [FIRST_CHUNK, 9600]) for samples in others]

    encoders = [open_encoder(format, VOICE_HZ) for _ in others]
    streams = [b""] * len(others)
    for cut in (slice(FIRST_CHUNK), slice(FIRST_CHUNK, 9600), slice(9600, None)):
        for i, (encoder, samples) in enumerate(zip(encoders, others, strict=True)):
            streams[i] += encoder.encode(samples[cut])
    assert [s + e.finish() for s, e in zip(streams, encoders, strict=True)] == alone


def test_encoders_that_are_dropped_give_their_memory_back(speech: Waveform) -> None:
    def open_and_drop(count: int) -> int:
        for i in range(count):
            encoder = open_encoder(AudioFormat(CODED[i % len(CODED)], 24_000), VOICE_HZ)
            encoder.encode(speech[:1200])
        return psutil.Process().memory_info().rss

    before = open_and_drop(200)
    after = open_and_drop(2000)

    assert after - before < 24 * 2**20  # less than two streams of FLAC, the largest


def test_warming_runs_every_encoder_behind_the_resampler(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def listening(format: AudioFormat, voice_rate_hz: int) -> AudioEncoder:
        opened.append((format.encoding, format.sample_rate_hz != voice_rate_hz))
        return open_encoder(format, voice_rate_hz)

    monkeypatch.setattr("dlpo_serving.encodings.encoder.open_encoder", listening)
    warm_encoders(VOICE_HZ)

    assert opened == [(encoding, True) for encoding in Encoding]


def test_the_wav_header_is_one_that_readers_take(speech: Waveform) -> None:
    audio = encode(speech, AudioFormat(Encoding.WAV, 16_000), [FIRST_CHUNK])

    with wave.open(io.BytesIO(audio)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
    assert audio[4:8] == audio[40:44] == b"\xff\xff\xff\xff"  # the length is not known


def test_framed_opus_has_a_packet_for_each_20_ms(
    speech: Waveform, framed_packets: Callable[[bytes], list[bytes]]
) -> None:
    packets = framed_packets(encode(speech, AudioFormat(Encoding.OPUS_FRAMED, 24_000), []))

    assert len(packets) == -(-len(speech) // (VOICE_HZ // 50)) + 1  # the codec's delay
    assert all(0 < len(packet) <= 1275 for packet in packets)  # RFC 6716, 3.4


def test_a_rate_that_the_codec_cannot_do_is_an_error_of_ours() -> None:
    with pytest.raises(EngineError, match="libmp3lame at 12345 Hz"):
        CodecStream(MP3, 12_345)


def test_a_codec_that_fails_is_an_error_of_ours(speech: Waveform) -> None:
    stream = CodecStream(OPUS, 24_000)
    stream.flush()

    with pytest.raises(EngineError, match="libopus: "):
        stream.packets(speech)


@pytest.mark.parametrize("encoding", CODED)
def test_without_pyav_the_error_says_what_to_install(
    encoding: Encoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)

    with pytest.raises(MissingExtraError, match=r"av is not installed.*dlpo\[serve\]"):
        open_encoder(AudioFormat(encoding, 24_000), 24_000)
