"""The benchmarks of engines measure the engines that are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo.errors import EngineError, InputError
from dlpo_bench.cold_start import measure_cold_start
from dlpo_bench.engine_comparison import compare_engines


def test_an_engine_equals_itself_and_its_stream_its_whole(tiny_bundle: Path) -> None:
    figures = compare_engines(["cpu:fp32", "cpu"], str(tiny_bundle), repeats=1, sentences=1)

    assert set(figures) == {"cpu", "cpu:fp32"}
    assert figures["cpu:fp32"]["offline_speed"] == 1
    itself = figures["cpu:fp32"]
    assert itself["offline_error_db"] == -400
    assert itself["stream_error_db"] < -80
    assert itself["stream_log_spectral_db"] < 0.1
    assert itself["load_s"] > 0
    assert -80 < figures["cpu"]["offline_error_db"] < -10  # int8, the bundle's own precision


def test_an_unknown_engine_is_not_measured(tiny_bundle: Path) -> None:
    with pytest.raises(InputError, match="tpu"):
        compare_engines(["tpu"], str(tiny_bundle))


def test_the_parts_of_a_cold_start_add_up(tiny_bundle: Path) -> None:
    figures, samples = measure_cold_start(str(tiny_bundle), repeats=2)

    parts = ("python_ms", "imports_ms", "open_voice_ms", "first_chunk_ms")
    for i, total in enumerate(samples["first_audio_ms"]):
        assert total == pytest.approx(sum(samples[part][i] for part in parts))
    assert figures["first_audio_ms"] == min(samples["first_audio_ms"])
    assert figures["processor_ms"] > 0


def test_a_process_that_fails_is_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EngineError, match="ended with 1"):
        measure_cold_start(str(tmp_path / "nobody"), repeats=1)

    assert "no voice" in capfd.readouterr().err
