"""What the benchmark of the audio path says of speech that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dlpo.audio import Waveform
from dlpo_bench.audio_path import measure_encoding, measure_encodings, weigh_encoders
from dlpo_bench.compare import compare_samples
from dlpo_bench.record import read_record, write_record
from dlpo_serving.encodings import AudioFormat, Encoding

RATE, HOP = 22_050, 300


@pytest.fixture
def hum() -> Waveform:
    return (0.3 * np.sin(np.arange(RATE) / 20)).astype(np.float32)


def test_16_bit_samples_are_sent_at_once_and_whole(hum: Waveform) -> None:
    cost = measure_encoding(AudioFormat(Encoding.PCM_S16, RATE), hum, RATE, HOP)

    assert cost.first_bytes_ms == pytest.approx(5, abs=0.1)  # the first piece
    assert cost.of_first_chunk == pytest.approx(1)
    assert cost.kbit_per_s == pytest.approx(16 * RATE / 1000)


def test_a_frame_of_flac_is_waited_for() -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
    cost = measure_encoding(AudioFormat(Encoding.FLAC, RATE), noise, RATE, HOP)

    assert 50 <= cost.first_bytes_ms <= 60  # 1,152 samples
    assert 0.9 < cost.of_first_chunk <= 1  # two frames of 52 ms in 109 ms


def test_a_header_is_no_sound(hum: Waveform) -> None:
    cost = measure_encoding(AudioFormat(Encoding.OGG_OPUS, 24_000), hum, RATE, HOP)

    assert 60 <= cost.first_bytes_ms <= 100
    assert 0 < cost.of_first_chunk < 0.6  # a page of 40 ms; the header is as long


def test_an_open_encoder_has_a_weight(hum: Waveform) -> None:
    (kilobytes,) = weigh_encoders([AudioFormat(Encoding.AAC, RATE)], hum[:2400], RATE)

    assert 100 < kilobytes < 20_000


def test_times_of_each_round_are_kept_and_can_be_compared(hum: Waveform, tmp_path: Path) -> None:
    formats = [AudioFormat(Encoding.PCM_S16, 8_000), AudioFormat(Encoding.FLAC, RATE)]
    costs, samples = measure_encodings(formats, hum, RATE, HOP, rounds=3)

    assert [cost.format for cost in costs] == list(samples)
    for cost in costs:
        times = samples[cost.format]
        assert len(times["processor_ms_per_s"]) == 3
        assert cost.processor_ms_per_s == min(times["processor_ms_per_s"])
        assert cost.open_ms == min(times["open_ms"])
    path = write_record("audio-path", {}, "x", tmp_path, samples={"encodings": samples})
    record = read_record(path)
    ratios, problems = compare_samples(record, record)
    assert (len(ratios), problems) == (4, [])
    assert {ratio.verdict for ratio in ratios} == {"undecided"}  # a known way, no difference
