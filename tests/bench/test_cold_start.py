"""The benchmark of a cold process."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo.errors import EngineError
from dlpo_bench.cold_start import measure_cold_start


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
