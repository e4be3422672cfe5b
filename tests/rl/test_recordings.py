"""Windows of recordings, as the chain of the published model sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dlpo.audio import HOP_LENGTH
from dlpo.checkpoint import load_checkpoint
from dlpo.data.dataset import Dataset
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.rl.recordings import cut_of
from dlpo.training.batches import Batches, whole_frames
from dlpo.training.synthesis import condition


def test_the_published_model_hears_recordings_by_their_own_durations(
    base_checkpoint: Path, tiny_dataset: Path
) -> None:
    model = load_checkpoint(base_checkpoint).model
    assert isinstance(model, WaveGrad2)
    batches = Batches(Dataset(tiny_dataset), "train", seed=0)
    utterance = batches.recorded[0]
    frames = batches.dataset.entries[utterance].frames

    found = cut_of(model, batches)([(utterance, 10), (utterance, 0)], frames - 4, (0, 1))

    assert found.conditions.frames.tolist() == [frames - 10, frames - 4]
    recording = batches.dataset[utterance].waveform
    expected = recording[: (frames - 4) * HOP_LENGTH] / np.abs(recording).max()
    np.testing.assert_allclose(found.clean[1].numpy(), expected, atol=1e-6)
    assert not found.clean[0, (frames - 10) * HOP_LENGTH :].any()
    symbols, seconds = batches.dataset.timing(utterance)
    hidden = model.hidden(torch.from_numpy(symbols)[None], torch.ones(1, len(symbols)) > 0)
    durations = torch.from_numpy(whole_frames(seconds))[None]
    ranges = model.predict_ranges(hidden, durations, torch.ones(1, len(symbols)) > 0)
    positions = torch.arange(frames - 4) + 0.5
    told, _ = model.frames(hidden, durations, ranges, positions, torch.zeros(1))
    torch.testing.assert_close(found.conditions.conditioning[1], told[0], atol=1e-5, rtol=1e-4)
    assert condition(model, symbols)[0].shape[1] == told.shape[1]
    assert not found.conditions.source.any()
    assert float(found.clean.abs().max()) == pytest.approx(1)
