"""Headers that state a length: files are as long as the audio, for every reader."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from dlpo_serving.encodings.encoder import open_encoder
from dlpo_serving.encodings.formats import AudioFormat, Encoding
from dlpo_serving.encodings.headers import with_length
from dlpo_serving.encodings.sound_file import SoundFile
from dlpo_serving.request import SpeechRequest
from tests.callers import fake_voice

RATES = {
    Encoding.FLAC: [8_000, 22_050, 48_000],
    Encoding.MP3: [8_000, 11_025, 16_000, 22_050, 24_000, 44_100],
    Encoding.WAV: [22_050],
}
CASES = [(encoding, rate) for encoding, rates in RATES.items() for rate in rates]


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
