"""Windows of recordings, conditioned as training does."""

from __future__ import annotations

from pathlib import Path

from dlpo.data.dataset import Corpora
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.recorded_windows import recorded_windows
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.batches import Batches


def test_a_window_counts_only_what_is_spoken(voice: SpectralWaveGrad2, tiny_dataset: Path) -> None:
    dataset = Corpora([tiny_dataset])
    batches = Batches(dataset, "train", 0, 0, voice.config)
    first = batches.recorded[0]
    frames = dataset.entries[first].frames
    windows = batches.collate([(first, 0)], frames + 7)
    acoustics = FrozenAcoustics(voice, batches).of(windows)
    samples = recorded_windows(voice, windows, acoustics).conditions.samples
    assert samples.tolist() == [frames * dataset.grid.hop_length]
