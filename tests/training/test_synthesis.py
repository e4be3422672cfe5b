"""The schedule search ranks by distance to the recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo.audio import Waveform
from dlpo.checkpoint import load_checkpoint
from dlpo.data.dataset import Corpora
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.noise_schedule import named_schedule
from dlpo.training import synthesis
from dlpo.training.batches import Batches, whole_frames
from dlpo.training.synthesis import WAVEGRAD_NAMES, copy, search_gains, search_schedules, speak
from tests.toys import SPECTRAL


@pytest.fixture
def batches(tiny_dataset: Path) -> Batches:
    return Batches(Corpora([tiny_dataset]), "validation", 0, 0, SPECTRAL)


@pytest.fixture
def wavegrad(base_checkpoint: Path) -> WaveGrad2:
    model = load_checkpoint(base_checkpoint).model
    assert isinstance(model, WaveGrad2)
    return model


def test_the_schedule_that_copies_best_comes_first(
    spectral: SpectralWaveGrad2, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = batches.dataset[batches.recorded[0]].waveform
    noise = np.random.default_rng(0).standard_normal(len(recording), np.float32)
    hiss = {"cosine": 0.05, "linear": 0.01, "logarithmic": 0.1}
    monkeypatch.setattr(
        synthesis, "copy", lambda *args: 0.5 * (recording + hiss[args[-1].name] * noise)
    )
    monkeypatch.setattr(synthesis, "SPECTRAL_NAMES", tuple(hiss))
    trials = search_schedules(spectral, batches, 1)
    assert [trial.name for trial in trials] == ["linear", "cosine", "logarithmic"]


def test_gains_are_found_until_a_step_needs_none(
    spectral: SpectralWaveGrad2, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = batches.dataset[batches.recorded[0]].waveform
    noise = np.random.default_rng(0).standard_normal(len(recording), np.float32)
    best = (1.56, 1.25, 1.0, 1.25)

    def copied(*args: Any) -> Waveform:
        far = sum(abs(args[-1].gain(k) - gain) for k, gain in enumerate(best))
        copied: Waveform = recording + 0.01 * (1 + far) * noise
        return copied

    monkeypatch.setattr(synthesis, "copy", copied)
    (start,) = search_schedules(spectral, batches, 4, 1, names=["cosine"], etas=[0.5])
    found = search_gains(spectral, batches, 4, start, 1)
    assert (found.name, found.eta) == ("cosine@1.56,1.25", 0.5)
    assert found.distance < start.distance


def test_every_name_is_tried_with_every_eta_where_there_is_noise(
    spectral: SpectralWaveGrad2, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesis, "SPECTRAL_NAMES", ("cosine", "cosine:2"))
    monkeypatch.setattr(synthesis, "ETAS", (0.0, 1.0))
    trials = search_schedules(spectral, batches, 2)
    assert len({(trial.name, trial.eta) for trial in trials}) == 4
    assert len(search_schedules(spectral, batches, 1)) == 2


def test_wavegrad2_copies_in_the_recordings_time_and_level(
    wavegrad: WaveGrad2, tiny_dataset: Path
) -> None:
    batches = Batches(Corpora([tiny_dataset]), "validation", 0, 0, wavegrad.config)
    chosen = batches.recorded[0]
    recording = batches.dataset[chosen].waveform
    copied = copy(wavegrad, batches, chosen, named_schedule("linear", 2, 1.0))
    assert abs(len(copied) - len(recording)) <= wavegrad.config.grid.hop_length
    symbols, seconds = batches.dataset.timing(chosen)
    frames = whole_frames(seconds, wavegrad.config.grid)
    spoken = speak(wavegrad, symbols, named_schedule("linear", 2, 1.0), durations=frames)
    np.testing.assert_allclose(copied, np.abs(recording).max() * spoken, rtol=1e-6)


def test_wavegrad2_has_chains_of_its_own_to_try(
    wavegrad: WaveGrad2, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = Batches(Corpora([tiny_dataset]), "validation", 0, 0, wavegrad.config)
    recording = batches.dataset[batches.recorded[0]].waveform
    monkeypatch.setattr(synthesis, "copy", lambda *args: recording)
    assert {one.name for one in search_schedules(wavegrad, batches, 2)} == set(WAVEGRAD_NAMES)
    for name in WAVEGRAD_NAMES:
        assert named_schedule(name, 10).noise_levels[0] < 0.35
