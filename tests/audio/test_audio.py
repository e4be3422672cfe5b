"""Signals and features against direct computations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dlpo.audio import (
    MAX_HARMONICS,
    SOURCE_GAIN,
    harmonic_source,
    log_mel,
    mel_filters,
    pre_emphasise,
    read_wav,
    sample_f0,
    to_pcm16,
    write_wav,
)
from dlpo.errors import DataError, InputError
from dlpo.frame_grid import PUBLISHED_GRID, FrameGrid

RATE_HZ, HOP = PUBLISHED_GRID.sample_rate_hz, PUBLISHED_GRID.hop_length

NOISE = np.random.default_rng(0).normal(0, 0.1, 3000).astype(np.float32)


def test_de_emphasis_undoes_pre_emphasis() -> None:
    response = 0.9 ** np.arange(160)  # of the inverse filter, to below 24 bits
    restored = np.convolve(pre_emphasise(NOISE), response)[: len(NOISE)]
    assert restored == pytest.approx(NOISE, abs=1e-6)


def test_source_is_the_sum_of_its_harmonics() -> None:
    f0 = np.full(20, 200, np.float32)
    phase = 2 * np.pi * 200 * np.arange(20 * HOP) / RATE_HZ + 0.3
    harmonics = min(int(0.95 * RATE_HZ / 2 // 200), MAX_HARMONICS)
    expected = SOURCE_GAIN * sum(np.cos(k * phase) for k in range(1, harmonics + 1))
    assert harmonic_source(f0, PUBLISHED_GRID, phase) == pytest.approx(expected, abs=1e-3)


def test_harmonics_fade_from_the_taper_to_the_ceiling() -> None:
    grid = FrameGrid(24_000, 300, 5000.0)
    f0 = np.full(20, 110, np.float32)
    phase = 2 * np.pi * 110 * np.arange(20 * 300) / 24_000 + 0.3
    full, top = 5000 // 110, 11_400 // 110
    k = np.arange(1, top + 1)
    strength = np.minimum(1, (top + 1 - k) / (top + 1 - full))
    expected = SOURCE_GAIN * np.cos(k * phase[:, None]) @ strength
    assert harmonic_source(f0, grid, phase) == pytest.approx(expected, abs=2e-3)


def test_source_follows_f0_and_is_silent_where_unvoiced() -> None:
    f0 = np.concatenate([np.full(40, 150), np.zeros(20), np.full(40, 300)]).astype(np.float32)
    source = harmonic_source(f0, PUBLISHED_GRID)
    assert np.all(source[41 * HOP : 59 * HOP] == 0)
    for frames, hertz in ((slice(0, 40), 150), (slice(60, 100), 300)):
        piece = source[frames.start * HOP : frames.stop * HOP]
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece))))
        first = np.argmax(spectrum[: int(1.5 * hertz * len(piece) / RATE_HZ)])
        assert first * RATE_HZ / len(piece) == pytest.approx(hertz, abs=3)


def test_source_has_nothing_above_its_ceiling() -> None:
    source = harmonic_source(np.full(60, 450, np.float32), PUBLISHED_GRID)
    spectrum = np.abs(np.fft.rfft(source * np.hanning(len(source))))
    top = int(0.97 * len(spectrum))
    assert spectrum[top:].max() < 1e-3 * spectrum.max()


def test_f0_is_joined_through_unvoiced_frames() -> None:
    hertz, voiced = sample_f0(np.array([100, 0, 0, 200], np.float32), PUBLISHED_GRID)
    assert voiced[HOP // 2]
    assert not voiced[2 * HOP]
    assert hertz[2 * HOP] == pytest.approx(150)
    assert len(hertz) == 4 * HOP


def test_mel_of_a_tone_peaks_in_its_band() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(40 * HOP) / RATE_HZ).astype(np.float32)
    mel = log_mel(tone, PUBLISHED_GRID)
    assert mel.shape == (40, 80)
    centre = np.argmax(mel_filters(RATE_HZ), axis=1) * RATE_HZ / 1024
    assert centre[np.argmax(mel[20])] == pytest.approx(1000, abs=60)


def test_mel_frames_are_centred_on_their_samples() -> None:
    click = np.zeros(40 * HOP, np.float32)
    click[20 * HOP + HOP // 2] = 1
    energy = log_mel(click, PUBLISHED_GRID).sum(axis=1)
    assert np.argmax(energy) == 20
    assert energy[19] == pytest.approx(energy[21], rel=0.02)


def test_wav_reads_back(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", NOISE, RATE_HZ)
    samples, rate = read_wav(tmp_path / "a.wav")
    assert rate == RATE_HZ
    assert samples == pytest.approx(NOISE, abs=1e-4)


def test_pcm_clips_instead_of_wrapping() -> None:
    assert to_pcm16(np.array([2.0, -2.0, 0.5], np.float32)).tolist() == [32767, -32767, 16384]


def test_a_path_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't write"):
        write_wav(tmp_path / "absent" / "a.wav", NOISE, RATE_HZ)


def test_other_files_are_refused_as_not_wav(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF nonsense")
    with pytest.raises(DataError, match="can't be read as WAV"):
        read_wav(tmp_path / "a.wav")
