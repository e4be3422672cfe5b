"""Conditioning of the denoiser: each sentence as if it were alone, recordings as in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dlpo.data.dataset import Corpora
from dlpo.errors import ConfigError, InputError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.model.build import build_model
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.core.conditions import inside_mean
from dlpo.rl.prompts import Prompt
from dlpo.rl.recorded_windows import recorded_windows
from dlpo.rl.spoken_chain import (
    conditions_of,
    freeze_all_but,
    pad_conditions,
    speech_conditions,
)
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.batches import Batches
from dlpo.training.synthesis import condition
from tests.toys import BASE

HOP = PUBLISHED_GRID.hop_length


def test_batched_conditions_equal_single_ones(
    voice: SpectralWaveGrad2,
) -> None:
    drawn = [Prompt(i, "hum", 10 + np.arange(5 + 4 * i, dtype=np.int64)) for i in range(2)]
    joined = conditions_of(voice, drawn, reach=5)
    inputs, lengths = joined.inputs, joined.samples // HOP
    assert inputs[0].shape[2] == int(lengths.max()) + 5
    for row, prompt in enumerate(drawn):
        conditioning, source = condition(voice, prompt.symbols)
        frames = int(lengths[row])
        assert torch.equal(inputs[0][row, :, :frames], conditioning[0])
        assert not inputs[0][row, :, frames:].any()
        np.testing.assert_array_equal(inputs[1][row, : frames * HOP].numpy(), source)
        assert not inputs[1][row, frames * HOP :].any()


def test_means_are_over_the_sentence_alone() -> None:
    conditions = speech_conditions(torch.zeros(2, 1, 4), torch.zeros(2, 8), torch.tensor([1, 3]))
    assert conditions.inside.sum(1).tolist() == [2, 6]
    values = torch.arange(16.0).view(2, 8)
    expected = torch.tensor([values[0, :2].mean(), values[1, :6].mean()])
    torch.testing.assert_close(inside_mean(values, conditions.inside), expected)


@pytest.mark.parametrize("lengths", [[], [3, 0]])
def test_no_sentence_and_no_frame_are_refused(lengths: list[int]) -> None:
    rows = [(torch.zeros(1, 2, n), torch.zeros(n * HOP)) for n in lengths]
    with pytest.raises(InputError, match="at least one"):
        pad_conditions(rows, 2)


def test_a_model_without_mel_has_no_part_sound() -> None:
    with pytest.raises(ConfigError, match="predicts no mel; expected denoiser"):
        freeze_all_but(build_model(BASE), "sound")


def test_a_window_counts_only_what_is_spoken(voice: SpectralWaveGrad2, tiny_dataset: Path) -> None:
    dataset = Corpora([tiny_dataset])
    batches = Batches(dataset, "train", 0, 0, voice.config)
    first = batches.recorded[0]
    frames = dataset.entries[first].frames
    windows = batches.collate([(first, 0)], frames + 7)
    acoustics = FrozenAcoustics(voice, batches).of(windows)
    samples = recorded_windows(voice, windows, acoustics).conditions.samples
    assert samples.tolist() == [frames * dataset.grid.hop_length]
