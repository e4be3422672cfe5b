"""Speed and pitch: what is measured of them, and the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dlpo.audio import SAMPLE_RATE
from dlpo.cli import app
from dlpo.judges.judge import Waveform
from dlpo_bench.clips import Clip, read_audio
from dlpo_bench.controls import (
    CEILING,
    F0_RANGE_HZ,
    LEVEL,
    NEUTRAL,
    PITCHES,
    RATIO,
    SHIFT,
    SPEEDS,
    STRETCH,
    Setting,
    Vocoder,
    one_at_a_time,
    shift_semitones,
)
from dlpo_bench.report.page import make_page
from dlpo_bench.signals import f0_track_hz


class Forgetful:
    """Understands one word of what is long, none of what is short."""

    name = "forgetful"

    def transcribe(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> list[str]:
        return ["hum" if len(w) > 1.2 * sample_rate_hz else "" for w in waveforms]


def test_settings_turn_one_control_at_a_time_from_neutral() -> None:
    settings = one_at_a_time()
    assert settings[0] == NEUTRAL
    assert len({s.name for s in settings}) == len(settings) == 1 + len(SPEEDS) + len(PITCHES)
    assert all(s.speed == 1 or s.pitch_semitones == 0 for s in settings)
    assert Setting(0.5, -3).name == "speed 0.5 pitch -3"


def test_a_recording_changes_its_pitch_and_its_pace_alone(tiny_corpus: Path) -> None:
    clip = Clip("LJ001-0001", "Hum, hum.", tiny_corpus / "wavs" / "LJ001-0001.wav")
    stretched = Vocoder()
    plain = stretched.at(NEUTRAL)(clip)
    assert np.array_equal(plain, read_audio(clip.recording or Path()))
    high, fast = (stretched.at(s)(clip) for s in (Setting(1, 6), Setting(2)))
    assert len(high) == pytest.approx(len(plain), abs=200)
    assert len(fast) == pytest.approx(len(plain) / 2, abs=200)
    tracks = [f0_track_hz(w, SAMPLE_RATE, *F0_RANGE_HZ) for w in (plain, high, fast)]
    assert shift_semitones(tracks[1], tracks[0]) == pytest.approx(6, abs=0.2)
    assert shift_semitones(tracks[2], tracks[0]) == pytest.approx(0, abs=0.2)


def test_pitch_without_a_common_voice_is_unknown() -> None:
    assert np.isnan(shift_semitones(np.array([0.0, 100.0]), np.array([100.0, 0.0])))


def test_the_command_writes_a_record_that_the_page_shows(
    slow_checkpoint: Path, tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpo.judges.pocketsphinx.PocketSphinx", Forgetful)
    few = [NEUTRAL, Setting(speed=2.0), Setting(pitch_semitones=6.0)]
    monkeypatch.setattr("dlpo_bench.controls.one_at_a_time", lambda: few)
    monkeypatch.chdir(tmp_path)
    arguments = ["--corpus", str(tiny_corpus), "--clips", "1", "--record"]

    done = CliRunner().invoke(
        app, ["bench", "controls", f"toy={slow_checkpoint}", *arguments], catch_exceptions=False
    )

    assert done.exit_code == 0, done.stderr
    (path,) = tmp_path.glob("benchmarks/records/controls-*.json")
    systems = json.loads(path.read_text())["figures"]["systems"]
    assert list(systems["toy"]) == ["neutral", "speed 2", "pitch +6"]
    recorded = systems[CEILING]
    assert recorded["speed 2"][STRETCH]["value"] == pytest.approx(1, abs=0.01)
    assert recorded["pitch +6"][SHIFT]["value"] == pytest.approx(6, abs=0.2)
    assert recorded["neutral"][LEVEL]["value"] == 0
    assert recorded["speed 2"][RATIO]["value"] == 2  # of two words one, then none
    page = make_page(path.parent, tmp_path / "page.md")
    assert page.problems == []
    assert "| speed 2 |" in page.text
    assert "**2.00 [2.00, 2.00]**" in page.text
