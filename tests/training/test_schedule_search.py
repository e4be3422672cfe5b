"""The schedule search ranks by distance to the recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo.data.dataset import Corpora
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.training import synthesis
from dlpo.training.batches import Batches
from dlpo.training.synthesis import search_schedules
from tests.toys import SPECTRAL


@pytest.fixture
def batches(tiny_dataset: Path) -> Batches:
    return Batches(Corpora([tiny_dataset]), "validation", 0, 0, SPECTRAL.rows)


def test_the_schedule_that_copies_best_comes_first(
    spectral: SpectralWaveGrad2, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = batches.dataset[batches.recorded[0]].waveform
    gain = {"cosine": 0.5, "linear": 0.9, "logarithmic": 0.1}
    monkeypatch.setattr(synthesis, "copy", lambda *args: recording * gain[args[-1].name])
    monkeypatch.setattr(synthesis, "NAMES", tuple(gain))
    trials = search_schedules(spectral, batches, 1)
    assert [trial.name for trial in trials] == ["linear", "cosine", "logarithmic"]


def test_every_name_is_tried_with_every_eta_where_there_is_noise(
    spectral: SpectralWaveGrad2, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesis, "NAMES", ("cosine", "cosine:2"))
    monkeypatch.setattr(synthesis, "ETAS", (0.0, 1.0))
    trials = search_schedules(spectral, batches, 2)
    assert len({(trial.name, trial.eta) for trial in trials}) == 4
    assert len(search_schedules(spectral, batches, 1)) == 2
