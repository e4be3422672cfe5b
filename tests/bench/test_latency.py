"""The latency benchmark measures a real server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dlpo_bench.latency import SENTENCES, measure_latency

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")


def test_every_figure_is_measured(tiny_bundle: Path) -> None:
    figures, samples = measure_latency(str(tiny_bundle), calls=2)

    assert set(figures) == {
        "start_s",
        "rss_mb",
        "rss_after_mb",
        "first_audio_ms_p50",
        "first_audio_ms_p95",
        "stream_rtf_p50",
    }
    assert all(value > 0 for value in figures.values())
    assert figures["first_audio_ms_p50"] <= figures["first_audio_ms_p95"]
    assert {name: len(values) for name, values in samples.items()} == {
        "first_audio_ms": 2,
        "stream_rtf": 2,
    }
    assert figures["first_audio_ms_p50"] == pytest.approx(sum(samples["first_audio_ms"]) / 2)


def test_the_sentences_have_80_characters() -> None:
    assert {len(sentence) for sentence in SENTENCES} == {80}
