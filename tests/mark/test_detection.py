"""The mark of the embedded voice: found after what happens to audio, and nowhere else."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from dlpo import detect
from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo.mark import NoiseMark, files, read_key
from dlpo.mark.detector import Detection, detect_samples
from dlpo.mark.stream import SOURCE_TYPE
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import command

RATE_HZ = 24_000
KEY, MESSAGE = b"a key of my own, for a test", 0xBEEF
TEXT = "She sells sea shells by the shore. The shells she sells are surely sea shells."
REQUEST = SpeechRequest(TEXT, seed=1)
ENDINGS = (".wav", ".flac", ".mp3", ".opus")


@pytest.fixture(scope="module")
def voice() -> Synthesizer:
    return open_voice(mark=NoiseMark(KEY, MESSAGE))


@pytest.fixture(scope="module")
def speech(voice: Synthesizer) -> Waveform:
    """Five seconds, cut out of the middle."""
    return voice.speak(REQUEST)[2_345 : 2_345 + 5 * RATE_HZ]


def coded(samples: Waveform, rate_hz: int = RATE_HZ, **format: Any) -> Detection:
    """What is found after a codec."""
    file = io.BytesIO()
    soundfile.write(file, soxr.resample(samples, RATE_HZ, rate_hz), rate_hz, **format)
    file.seek(0)
    return detect(file, search_speed=False)


@pytest.mark.parametrize(
    "format",
    [
        {"format": "MP3", "subtype": "MPEG_LAYER_III"},
        {"format": "OGG", "subtype": "OPUS"},
        {"format": "WAV", "subtype": "ULAW", "rate_hz": 8_000},
        {"format": "WAV", "subtype": "PCM_16", "rate_hz": 22_050},
    ],
    ids=["MP3", "Opus", "telephone", "another rate"],
)
def test_codecs_leave_mark_and_message(speech: Waveform, format: dict[str, Any]) -> None:
    found = coded(speech, **format)

    assert found.marked
    assert found.message == MESSAGE


def test_noise_and_polarity_leave_the_mark(speech: Waveform) -> None:
    level = 0.3 * np.sqrt(np.mean(speech**2))
    noisy = speech + np.random.default_rng(0).normal(0, level, len(speech)).astype(np.float32)

    assert detect_samples(-noisy).marked
    assert detect_samples(-speech).message == MESSAGE


def test_own_key_is_found_beside_the_public_one(speech: Waveform) -> None:
    assert detect_samples(speech, KEY).marked
    assert not detect_samples(speech, b"another key of some length").marked


def test_another_speed_is_found(speech: Waveform) -> None:
    found = detect(soxr.resample(speech, RATE_HZ * 1.04, RATE_HZ))

    assert found.marked
    assert found.speed == pytest.approx(1.04, abs=0.001)


def test_places_are_those_that_speak(speech: Waveform) -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, 20 * RATE_HZ).astype(np.float32)

    found = detect_samples(np.concatenate([noise, speech, noise]))

    (place,) = found.places
    assert 17 < place.start_s < 21
    assert 24 < place.stop_s < 28


def test_nothing_is_found_without_the_mark(voice: Synthesizer) -> None:
    unmarked = open_voice(mark=None).speak(REQUEST)

    assert detect_samples(unmarked).marked is False
    assert detect_samples(unmarked[: RATE_HZ // 3]).marked is None
    assert detect_samples(np.zeros(RATE_HZ, np.float32)).marked is False


@pytest.mark.parametrize("period", [4_096, 131_072])
def test_loops_with_the_period_of_the_signs_are_not_marked(period: int) -> None:
    loop = np.random.default_rng(2).standard_normal(period).astype(np.float32)

    assert detect_samples(np.resize(loop, 44 * RATE_HZ)).marked is False


def test_cuts_leave_the_bits(voice: Synthesizer) -> None:
    chunks = [chunk.samples for chunk in voice.stream(voice.read(REQUEST))]
    uncut = replace(REQUEST, text="Sea shells shine. The shells she sells are sea shells.")
    pieces = [
        chunk.samples for chunk in voice.stream_pieces(list(uncut.text), uncut, ladder=(5, 11))
    ]

    np.testing.assert_array_equal(np.concatenate(chunks), voice.speak(REQUEST))
    np.testing.assert_array_equal(np.concatenate(pieces), voice.speak(uncut, (5, 11)))
    np.testing.assert_allclose(np.concatenate(pieces), voice.speak(uncut), atol=1e-3)


def test_signs_leave_the_sizes_of_the_noise() -> None:
    drawn = np.random.default_rng(0).standard_normal((3, 300), np.float32)
    signed = drawn.copy()

    NoiseMark().put_on(signed, 131_000)

    np.testing.assert_array_equal(np.abs(signed), np.abs(drawn))
    assert abs(np.mean(np.sign(signed))) < 0.1


@pytest.mark.parametrize("content", [None, b"short"], ids=["absent", "short"])
def test_a_bad_key_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InputError):
        read_key(path)
    assert command("serve", "--mark-key", path).exit_code == 1
    assert command("detect", path, "--mark-key", path).exit_code == 2


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_say_that_a_machine_spoke(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    assert command("say", "Hello there.", "-o", path, "--mark-message", 7).exit_code == 0

    with soundfile.SoundFile(path) as file:
        assert SOURCE_TYPE in file.comment
        assert "voice=heart" in file.comment
        assert file.software.startswith("dlpo")
    assert detect(path).message == 7


@pytest.mark.parametrize(
    ("rate_hz", "channels", "most"),
    [(500_000, 1, 0), (2_000, 1, 0), (RATE_HZ, 17, 0), (RATE_HZ, 2, 5_000)],
    ids=["rate above", "rate below", "channels", "length"],
)
def test_audio_out_of_range_is_not_decoded(
    rate_hz: int, channels: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((rate_hz, channels), np.float32), rate_hz)
    decoded: list[int] = []
    read = soundfile.SoundFile.read

    def counted(self: soundfile.SoundFile, frames: int, **options: Any) -> Any:
        decoded.append(frames * self.channels)
        return read(self, frames, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", counted)
    monkeypatch.setattr(files, "PART", 1_000)

    with pytest.raises(InputError):
        files.read_audio(path, 0.1)
    assert sum(decoded) <= most


def test_channels_are_mixed_part_by_part(
    speech: Waveform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    heard = soxr.resample(speech, RATE_HZ, 44_100)
    soundfile.write(path, np.stack([heard, np.zeros_like(heard)], axis=1), 44_100, "FLOAT")
    monkeypatch.setattr(files, "PART", 10_000)

    expected = soxr.resample(heard / 2, 44_100, RATE_HZ)
    np.testing.assert_allclose(files.read_audio(path), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["a.raw", "absent.wav", "."], ids=["raw", "absent", "folder"])
def test_what_cannot_be_examined_is_not_called_unmarked(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"samples?")

    result = command("detect", tmp_path / name)

    assert result.exit_code == 2
    assert result.stderr


def test_command_prints_lines_of_json(speech: Waveform, tmp_path: Path) -> None:
    marked, silent, broken = (tmp_path / name for name in ("a.wav", "b.wav", "c.wav"))
    soundfile.write(marked, speech, RATE_HZ)
    soundfile.write(silent, np.zeros(RATE_HZ), RATE_HZ)
    broken.write_text("no audio")

    def told(*files: Path) -> tuple[int, list[dict[str, Any]]]:
        result = command("detect", "--json", *files)
        return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]

    code, (line,) = told(marked)
    assert (code, line["file"], line["marked"], line["message"]) == (0, str(marked), True, MESSAGE)
    assert line["chance"] < -50
    assert told(marked, silent)[0] == 1
    code, lines = told(broken, marked)
    assert code == 2
    assert "error" in lines[0]
    assert lines[1]["marked"]
