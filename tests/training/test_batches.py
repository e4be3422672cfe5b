"""Batches: what a window holds, and that draws depend on nothing but seed and update."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dlpo.audio import harmonic_source, pre_emphasise
from dlpo.data.dataset import Corpora
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.training.batches import CONTEXT, Batches, whole_frames
from tests.toys import SPECTRAL

HOP = PUBLISHED_GRID.hop_length


@pytest.fixture
def batches(tiny_dataset: Path) -> Batches:
    return Batches(Corpora([tiny_dataset]), "train", 3, 0, SPECTRAL)


def test_whole_frames_never_drift_from_the_clock() -> None:
    seconds = np.random.default_rng(0).uniform(0, 0.2, 500).astype(np.float32)
    frames = whole_frames(seconds, PUBLISHED_GRID)
    assert np.all(frames == np.round(frames))
    clock = np.cumsum(seconds.astype(float)) * 73.5
    assert np.abs(np.cumsum(frames) - clock).max() <= 0.5


def test_a_draw_depends_on_seed_and_update_only(batches: Batches) -> None:
    first = batches.windows(7, 4, 24)
    batches.windows(8, 4, 24)
    again = batches.windows(7, 4, 24)
    assert first.places == again.places
    assert torch.equal(first.waveform, again.waveform)
    other = Batches(batches.dataset, "train", 4, 0, SPECTRAL).windows(7, 4, 24)
    assert other.places != first.places


def test_all_sentences_teach_durations_alike(wordy_dataset: Path, tiny_dataset: Path) -> None:
    corpora = Corpora([wordy_dataset, tiny_dataset], [0.5, 0.5])
    batches = Batches(corpora, "train", 3, 0, SPECTRAL)
    drawn = batches.timings(0, 20_000)
    lengths, counts = drawn.mask.sum(1).unique(return_counts=True)
    own = corpora.split("train", with_audio=True)
    known = [len(corpora.timing(i)[0]) for i in (*own, *corpora.split("train", with_audio=False))]
    assert set(lengths.tolist()) == set(known)
    longest = max(known)
    of_longest = counts[lengths == longest].item() / 20_000
    first = [i for i in range(len(corpora.entries)) if corpora.corpus_of(i) == 0]
    in_first = [i for i in first if corpora.entries[i].split == "train"]
    assert of_longest == pytest.approx(0.5 / len(in_first), rel=0.1)  # however long it is


def test_a_window_lies_where_it_says(batches: Batches) -> None:
    windows = batches.collate([(1, 30)], 24)
    utterance = batches.dataset[1]
    samples = slice(30 * HOP, 54 * HOP)
    assert windows.waveform[0].numpy() == pytest.approx(
        pre_emphasise(utterance.waveform)[samples], abs=1e-6
    )
    frames = slice(30 - CONTEXT, 54 + CONTEXT)
    assert np.array_equal(windows.mel[0].T.numpy(), utterance.features.mel[frames])
    assert windows.positions[0, CONTEXT] == 30.5
    assert windows.inside.min() == 1


def test_the_source_of_a_window_is_that_of_the_whole(batches: Batches) -> None:
    features = batches.dataset[1].features
    whole = harmonic_source(features.f0, PUBLISHED_GRID, features.phase)
    windows = batches.collate([(1, 30)], 24)
    cut = whole[30 * HOP : 54 * HOP]
    assert windows.source[0].numpy() == pytest.approx(cut, abs=1e-4)


def test_past_the_ends_there_is_marked_silence(batches: Batches) -> None:
    frames = batches.dataset.entries[1].frames
    windows = batches.whole(1)
    assert windows.waveform.shape == (1, frames * HOP)
    assert windows.inside[0, :CONTEXT].sum() == windows.inside[0, -CONTEXT:].sum() == 0
    assert windows.inside.sum() == frames


def test_an_utterance_shorter_than_the_window_is_padded(batches: Batches) -> None:
    windows = batches.windows(0, 2, 500)
    assert windows.waveform.shape == (2, 500 * HOP)
    assert torch.equal(
        windows.waveform[:, 200 * HOP :],
        torch.zeros(2, 300 * HOP),
    )
