"""Every encoding, from samples in pieces to what a player hears; rates; G.711; resampling."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from dlpo.audio import Waveform, to_pcm16
from dlpo.errors import EngineError
from dlpo_serving.encodings.encoder import alaw, mulaw, open_encoder, warm_encoders
from dlpo_serving.encodings.formats import AudioFormat, Encoding, usual_format
from dlpo_serving.encodings.headers import with_length
from dlpo_serving.encodings.sound_file import SoundFile
from dlpo_serving.errors import RequestError
from dlpo_serving.request import SpeechRequest
from tests.callers import fake_voice
from tests.decoders import Samples, decode_stream, split_frames, without_lot

VOICE_HZ = 22_050
FIRST_CHUNK = 2400  # samples, 8 frames
LOSSLESS = [Encoding.PCM_S16, Encoding.WAV, Encoding.FLAC]
SNDFILE = [Encoding.FLAC, Encoding.OGG_OPUS, Encoding.OPUS_FRAMED, Encoding.MP3]
CODED = [*SNDFILE, Encoding.AAC]

every_encoding = pytest.mark.parametrize("encoding", Encoding)
TOO_FAR = "expected 8000 to 48000"
RATES = {
    Encoding.FLAC: [8_000, 22_050, 48_000],
    Encoding.MP3: [8_000, 11_025, 16_000, 22_050, 24_000, 44_100],
    Encoding.WAV: [22_050],
}
CASES = [(encoding, rate) for encoding, rates in RATES.items() for rate in rates]
EVERY_SAMPLE = np.arange(-32_768, 32_768).astype(np.int16)


@pytest.fixture(scope="module")
def speech() -> Waveform:
    """1.2 s of a gliding, swelling vowel at 22,050 Hz; no two stretches of it are alike."""
    seconds = np.arange(round(1.2 * VOICE_HZ)) / VOICE_HZ
    phase = 2 * np.pi * (120 * seconds + 40 * seconds**2)
    vowel = sum(np.sin(k * phase) / k for k in range(1, 12))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * seconds)
    return (0.25 * swell * vowel).astype(np.float32)


def encode(samples: Waveform, format: AudioFormat, cuts: list[int]) -> bytes:
    encoder = open_encoder(format, VOICE_HZ)
    pieces = [encoder.encode(piece) for piece in np.split(samples, cuts)]
    return b"".join(pieces) + encoder.finish()


def heard_hz(format: AudioFormat) -> int:
    """FFmpeg decodes bare Opus packets at 48 kHz, whatever went in."""
    return 48_000 if format.encoding == Encoding.OPUS_FRAMED else format.sample_rate_hz


def sent_and_heard(heard: Samples, speech: Waveform, rate: int) -> tuple[int, Samples, Samples]:
    """Where the speech begins in what is heard, after a codec's silence; and both from there."""
    sent = soxr.resample(speech, VOICE_HZ, rate).astype(np.float64)
    size = len(heard) + len(sent)
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size)), size)
    delay = int(cross.argmax())
    heard = heard[delay:][: len(sent)]
    return delay, sent[: len(heard)], heard


def heard_above_noise_db(
    samples: Waveform, format: AudioFormat, cuts: Sequence[int] = (FIRST_CHUNK, 9600)
) -> float:
    """Ratio of what was sent to what the encoding adds to it; samples are clipped first."""
    audio = encode(samples, format, list(cuts))
    heard = decode_stream(audio, format.encoding, format.sample_rate_hz)
    clipped = samples.clip(-1, 1)
    _, sent, heard = sent_and_heard(heard.clip(-1, 1), clipped, heard_hz(format))
    noise = heard - sent
    return float(10 * np.log10(sent @ sent / max(noise @ noise, 1e-12)))


@pytest.mark.parametrize(
    ("encoding", "rate", "least_db"),
    [
        (Encoding.PCM_F32, 24_000, 120),
        *((encoding, 24_000, 75) for encoding in LOSSLESS),  # of 16 bits and no codec
        (Encoding.MULAW, 8000, 30),
        (Encoding.ALAW, 8000, 30),
        *((Encoding.OGG_OPUS, rate, 20) for rate in (24_000, 48_000, 8000)),
        (Encoding.OPUS_FRAMED, 24_000, 20),
        *((Encoding.MP3, rate, 20) for rate in (22_050, 44_100, 8000)),
        (Encoding.AAC, 22_050, 20),
    ],
)
def test_what_a_codec_adds_stays_below_the_speech(
    encoding: Encoding, rate: int, least_db: float, speech: Waveform
) -> None:
    assert heard_above_noise_db(speech, AudioFormat(encoding, rate)) > least_db


@every_encoding
def test_too_loud_samples_are_clipped_and_never_wrap(encoding: Encoding, speech: Waveform) -> None:
    assert heard_above_noise_db(6 * speech, usual_format(encoding, VOICE_HZ), ()) > 10


@pytest.mark.parametrize("encoding", LOSSLESS)
def test_lossless_encodings_keep_every_sample(encoding: Encoding, speech: Waveform) -> None:
    audio = encode(speech, AudioFormat(encoding, VOICE_HZ), [FIRST_CHUNK])

    scale = 32_767 if encoding == Encoding.PCM_S16 else 32_768
    pcm = np.round(scale * decode_stream(audio, encoding, VOICE_HZ))
    np.testing.assert_array_equal(pcm, to_pcm16(speech))


@every_encoding
def test_cutting_changes_nothing_that_is_heard(encoding: Encoding, speech: Waveform) -> None:
    format = usual_format(encoding, VOICE_HZ)
    whole = encode(speech, format, [])
    pieces = encode(speech, format, [1, FIRST_CHUNK, FIRST_CHUNK, 9600])

    assert without_lot(pieces) == without_lot(whole)
    np.testing.assert_array_equal(
        decode_stream(pieces, encoding, format.sample_rate_hz),
        decode_stream(whole, encoding, format.sample_rate_hz),
    )


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("rate", [8000, 16_000, 24_000, 48_000])
def test_the_last_sound_is_not_cut_off(encoding: Encoding, rate: int, speech: Waveform) -> None:
    speech = speech[:20_011]
    format = AudioFormat(encoding, rate)

    heard = decode_stream(encode(speech, format, [FIRST_CHUNK]), encoding, rate)

    expected = len(speech) / VOICE_HZ * heard_hz(format)
    if encoding in (Encoding.OPUS_FRAMED, Encoding.MP3, Encoding.AAC):  # whole frames, silence
        assert expected <= len(heard) < expected + 0.5 * heard_hz(format)
    elif encoding == Encoding.OGG_OPUS:  # up to half a packet
        assert -1 <= len(heard) - expected <= 0.01 * rate + 1
    else:
        assert abs(len(heard) - expected) <= 1


@every_encoding
def test_the_first_chunk_of_a_stream_is_not_held_back(encoding: Encoding, speech: Waveform) -> None:
    format = usual_format(encoding, VOICE_HZ)

    first = open_encoder(format, VOICE_HZ).encode(speech[:FIRST_CHUNK])

    heard = decode_stream(first, encoding, format.sample_rate_hz)
    later = {Encoding.OGG_OPUS: 0.03, Encoding.OPUS_FRAMED: 0.03, Encoding.MP3: 0.025}
    least_s = later.get(format.encoding, 0.045)
    assert len(heard) > least_s * heard_hz(format)


@every_encoding
def test_a_stream_without_samples_ends_well(encoding: Encoding) -> None:
    encoder = open_encoder(AudioFormat(encoding, 24_000), VOICE_HZ)
    audio = encoder.encode(np.zeros(0, np.float32)) + encoder.finish()

    if encoding in (Encoding.WAV, *SNDFILE):
        heard = decode_stream(audio, encoding, 24_000)
        assert not np.round(32_768 * heard).any()
        assert len(heard) <= {Encoding.WAV: 0, Encoding.FLAC: 1}.get(encoding, 0.1 * 24_000)
    else:
        assert audio == b""


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@every_encoding
def test_samples_that_are_no_numbers_are_refused(encoding: Encoding, value: float) -> None:
    encoder = open_encoder(usual_format(encoding, VOICE_HZ), VOICE_HZ)

    with pytest.raises(EngineError, match="no numbers"):
        encoder.encode(np.float32([0, value]))
    encoder.finish()


def test_framed_opus_has_a_packet_for_each_20_ms(speech: Waveform) -> None:
    packets = split_frames(encode(speech, AudioFormat(Encoding.OPUS_FRAMED, 24_000), []))

    assert len(packets) == -(-len(speech) // (VOICE_HZ // 50)) + 1  # the codec's delay
    assert all(0 < len(packet) <= 1275 for packet in packets)  # RFC 6716, 3.4


@pytest.mark.parametrize("rest", [0, 1, 84, 85, 240, 324, 325, 400, 479])  # 480ths of a packet
@pytest.mark.parametrize("rate", [8000, 24_000, 48_000])
@pytest.mark.parametrize("encoding", [Encoding.OGG_OPUS, Encoding.OPUS_FRAMED])
def test_opus_is_true_to_the_end_and_silent_after_it(
    encoding: Encoding, rate: int, rest: int
) -> None:
    packet = rate // 50
    size = rate + round(rest / 480 * packet)
    tone = (0.3 * np.sin(2 * np.pi * 300 / rate * np.arange(size))).astype(np.float32)
    encoder = open_encoder(AudioFormat(encoding, rate), rate)

    heard = decode_stream(encoder.encode(tone) + encoder.finish(), encoding, rate)

    if encoding == Encoding.OPUS_FRAMED:
        heard = soxr.resample(heard, 48_000, rate)[round(0.0065 * rate) :]  # the codec's delay
    last_20_ms = slice(size - packet, size)
    assert np.abs(heard[last_20_ms] - tone[last_20_ms]).mean() < 0.02
    assert np.abs(heard[size + packet // 8 :]).max(initial=0) < 0.03  # its window is 2.5 ms
    if encoding == Encoding.OGG_OPUS:
        assert 0 <= len(heard) - size <= packet // 2


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 24_000, 44_100])
def test_mp3_of_unknown_length_begins_with_speech(rate: int, speech: Waveform) -> None:
    """FFmpeg's decoder, which players use, takes the delay from the header."""
    audio = encode(speech, AudioFormat(Encoding.MP3, rate), [FIRST_CHUNK])
    with av.open(io.BytesIO(audio)) as file:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])

    delay, _, _ = sent_and_heard(heard.astype(np.float32), speech, rate)
    assert delay <= 1


@pytest.mark.parametrize("encoding", CODED)
def test_missing_library_error_says_what_to_install(
    encoding: Encoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, extra = ("av", "codecs") if encoding == Encoding.AAC else ("soundfile", "serve")
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(RequestError, match=rf"needs the package {package}, .*dlpo\[{extra}\]"):
        open_encoder(AudioFormat(encoding, 24_000), 24_000)
    assert encoding in warm_encoders(VOICE_HZ)


@pytest.mark.skipif(sys.platform != "linux", reason="the prohibition is Linux's")
def test_write_xor_execute_costs_only_its_encodings() -> None:
    code = (
        "import ctypes, sys; deny_write_execute = 65, 1, 0, 0, 0\n"
        "sys.exit(3) if ctypes.CDLL(None).prctl(*deny_write_execute) else None\n"
        "from dlpo_serving.encodings.encoder import warm_encoders\n"
        f"for name, error in warm_encoders({VOICE_HZ}).items(): print(name, error)"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    if run.returncode == 3:
        pytest.skip("this kernel has no PR_SET_MDWE, it came with 6.3")
    assert run.returncode == 0, run.stderr
    message = run.stdout.splitlines()
    refused = [line.split()[0] for line in message if "MemoryDenyWriteExecute" in line]
    assert refused in ([], SNDFILE)  # a cffi that needs none would be welcome


@pytest.mark.parametrize(
    ("encoding", "rate", "message"),
    [
        *((encoding, rate, TOO_FAR) for encoding in Encoding for rate in (-1, 0, 7999)),
        ("pcm_s16", 48_001, TOO_FAR),
        ("ogg_opus", 22_050, "ogg_opus has 8000, .*, 48000"),
        ("opus_framed", 44_100, "opus_framed has 8000, .*, 48000"),
        ("mp3", 22_000, "mp3 has 8000, .*, 48000"),
        ("aac", 9000, "aac has 8000, .*, 48000"),
    ],
)
def test_a_rate_that_there_is_not_is_refused_with_those_that_are(
    encoding: str, rate: int, message: str
) -> None:
    with pytest.raises(RequestError, match=f"is {rate}; {message}") as error:
        AudioFormat(Encoding(encoding), rate)
    assert [violation.field for violation in error.value.violations] == ["sample_rate_hz"]


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


def lengths(content: bytes) -> tuple[int, int]:
    """Samples that libsndfile and FFmpeg read."""
    with av.open(io.BytesIO(content)) as file:
        decoded = sum(frame.samples for frame in file.decode(audio=0))
    return len(soundfile.read(io.BytesIO(content))[0]), decoded


@pytest.mark.parametrize(("encoding", "rate"), CASES)
@pytest.mark.parametrize("samples", [1_151, 1_152, 20_011, 30_000])
def test_a_file_is_as_long_as_its_audio(encoding: Encoding, rate: int, samples: int) -> None:
    format = AudioFormat(encoding, rate)
    encoder = open_encoder(format, rate)
    tone = 0.3 * np.sin(0.1 * np.arange(samples), dtype=np.float32)
    content = encoder.encode(tone) + encoder.finish()
    assert lengths(with_length(content, format, encoder.samples)) == (samples, samples)


@pytest.mark.parametrize("rate", RATES[Encoding.MP3])
def test_mp3_headers_say_what_libsndfile_says(rate: int) -> None:
    tone = 0.3 * np.sin(0.1 * np.arange(20_000), dtype=np.float32)
    theirs = io.BytesIO()
    soundfile.write(theirs, tone, rate, format="MP3", subtype="MPEG_LAYER_III")
    format = AudioFormat(Encoding.MP3, rate)
    ours = with_length(open_encoder(format, rate).encode(tone), format, 20_000)

    def said(content: bytes) -> tuple[bytes, bytes]:
        info, lame = content.index(b"Info"), content.index(b"LAME")
        return content[info + 8 : info + 12], content[lame + 21 : lame + 24]

    assert said(ours) == said(theirs.getvalue().replace(b"Xing", b"Info"))


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".wav"])
def test_files_of_dlpo_say_have_their_length(tmp_path: Path, suffix: str) -> None:
    speech = fake_voice().speak(SpeechRequest("Noise becomes speech. Is it not strange?"))
    path = tmp_path / f"a{suffix}"
    with SoundFile(path, 22_050) as file:
        for part in np.array_split(speech, 7):
            file.write(part)
    assert lengths(path.read_bytes()) == (len(speech), len(speech))
