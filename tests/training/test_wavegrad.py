"""Training of WaveGrad 2 as published: excerpts, losses, and a run that resumes to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dlpo.audio import HOP_LENGTH
from dlpo.checkpoint import load_checkpoint
from dlpo.config.training import BASE_TRAINING as PUBLISHED
from dlpo.data.dataset import Corpora
from dlpo.errors import TrainingError
from dlpo.model.build import build_model
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.noise_schedule import linear, named_schedule
from dlpo.training.batches import Batches
from dlpo.training.synthesis import speak
from dlpo.training.wavegrad_trainer import (
    ExcerptBatches,
    WaveGradTrainer,
    continuous_levels,
    duration_loss,
    wavegrad_losses,
)
from tests.toys import BASE, BASE_TRAINING


@pytest.fixture
def excerpts(tiny_dataset: Path) -> ExcerptBatches:
    return ExcerptBatches(Batches(Corpora([tiny_dataset]), "train", 0, 0, BASE.rows))


def run(data: Path, out: Path, **changes: object) -> WaveGradTrainer:
    trainer = WaveGradTrainer(BASE, replace(BASE_TRAINING, **changes), data, out)  # type: ignore[arg-type]
    trainer.run()
    return trainer


# ---------------------------------------------------------------------- excerpts
def test_an_excerpt_is_its_recording_with_a_peak_of_one(excerpts: ExcerptBatches) -> None:
    utterance = excerpts.recorded[0]
    whole = excerpts.dataset[utterance].waveform
    made = excerpts.collate([(utterance, 30)], window=10, context=4)
    expected = whole[26 * HOP_LENGTH : 44 * HOP_LENGTH] / np.abs(whole).max()
    np.testing.assert_allclose(made.waveform[0].numpy(), expected, atol=1e-6)
    assert made.positions[0].tolist() == [26.5 + k for k in range(18)]


def test_only_the_window_is_scored_and_only_where_the_recording_lasts(
    excerpts: ExcerptBatches,
) -> None:
    utterance = excerpts.recorded[0]
    frames = excerpts.dataset.entries[utterance].frames
    made = excerpts.collate([(utterance, 0), (utterance, frames - 3)], window=10, context=4)
    by_frame = made.scored.view(2, 18, HOP_LENGTH)
    assert torch.equal(by_frame.amin(2), by_frame.amax(2))
    assert by_frame[:, :, 0].tolist() == [
        [0] * 4 + [1] * 10 + [0] * 4,
        [0] * 4 + [1] * 3 + [0] * 11,
    ]
    past_the_ends = made.waveform.view(2, 18, HOP_LENGTH)
    assert not past_the_ends[0, :4].any()
    assert not past_the_ends[1, 7:].any()


# ---------------------------------------------------------------------- losses
def test_noise_levels_lie_evenly_over_all_steps() -> None:
    generator = torch.Generator().manual_seed(3)
    drawn = continuous_levels(100_000, generator).double()
    levels = torch.from_numpy(linear(1000))
    assert levels[0] <= drawn.min()
    assert drawn.max() <= 1
    step = torch.bucketize(drawn, levels, right=True) - 1
    counts = torch.bincount(step.clamp(max=999), minlength=1000)[:990]  # float32 blurs the last
    assert counts.min() >= 90
    assert counts.max() <= 110
    drawn, step = drawn[step < 900], step[step < 900]
    share = (drawn - levels[step]) / (levels[step + 1] - levels[step])  # of the way to the next
    assert share.mean() == pytest.approx(0.5, abs=0.01)


def test_perfect_predictions_lose_nothing(excerpts: ExcerptBatches) -> None:
    batch = excerpts.draw(0, 3, 8, 2)
    noisy: dict[str, torch.Tensor] = {}

    class Knows(WaveGrad2):
        def predict_durations(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return batch.sentences.durations

        def denoise(
            self,
            noisy_: torch.Tensor,
            noise_level: torch.Tensor,
            conditioning: torch.Tensor,
            source: torch.Tensor,
        ) -> torch.Tensor:
            noisy["x"] = noisy_
            sigma = (1 - noise_level.double().square()).sqrt()[:, None]
            alpha = noise_level.double()[:, None]
            return ((noisy_ - alpha * batch.waveform) / sigma).float()

    losses = wavegrad_losses(Knows(BASE), batch, 1.0, torch.Generator().manual_seed(0))
    assert losses["noise"] < 2e-3  # float32, near a level of 1
    assert losses["duration"] == 0
    assert noisy["x"].shape == batch.waveform.shape


def test_durations_are_compared_in_seconds(excerpts: ExcerptBatches) -> None:
    sentences = excerpts.draw(0, 2, 8, 0).sentences
    late = (sentences.durations + 7.35) * sentences.mask  # 0.1 s too long
    assert float(duration_loss(late, sentences)) == pytest.approx(0.01, rel=1e-4)


def test_nothing_is_learnt_outside_the_window(excerpts: ExcerptBatches) -> None:
    torch.manual_seed(0)
    model = build_model(BASE).eval()
    batch = excerpts.collate([(excerpts.recorded[0], 20)], window=4, context=30)
    changed = replace(batch, waveform=batch.waveform.clone())
    changed.waveform[:, : 10 * HOP_LENGTH] = 1.0  # farther away than the decoder looks
    before, after = (
        wavegrad_losses(model, one, 1.0, torch.Generator().manual_seed(0))["noise"]
        for one in (batch, changed)
    )
    torch.testing.assert_close(before, after)


def test_a_checkpoint_says_where_it_comes_from_and_speaks(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    trainer = run(tiny_dataset, tmp_path / "run")
    checkpoint = load_checkpoint(tmp_path / "run" / "checkpoint")
    assert checkpoint.provenance.updates == 6
    assert checkpoint.provenance.data_sha256 == trainer.dataset.sha256
    assert checkpoint.provenance.corpus == "LJSpeech-1.1 (public domain), 0 minutes"
    assert checkpoint.config == BASE
    assert isinstance(checkpoint.model, WaveGrad2)
    symbols, _ = trainer.dataset.timing(trainer.held_out.recorded[0])
    said = speak(
        checkpoint.model,
        symbols,
        named_schedule("linear", 3, eta=1.0),
        durations=np.full(len(symbols), 2, np.float32),
    )
    assert said.shape == (2 * len(symbols) * HOP_LENGTH,)
    assert np.abs(said).max() <= 1
    kept = load_file(tmp_path / "run" / "checkpoint" / "model.safetensors")
    assert int(kept["encoder.convolutions.0.1.num_batches_tracked"]) == 6


def test_a_run_can_start_from_a_checkpoint_of_the_same_model(
    tiny_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    run(tiny_dataset, tmp_path / "first")
    checkpoint = tmp_path / "first" / "checkpoint"
    started = WaveGradTrainer(
        BASE, BASE_TRAINING, tiny_dataset, tmp_path / "second", init=checkpoint
    )
    assert started.learned_before == [load_checkpoint(checkpoint).provenance.corpus]
    before = load_checkpoint(checkpoint).model.state_dict()
    assert all(torch.equal(value, before[k]) for k, value in started.model.state_dict().items())
    with pytest.raises(TrainingError, match="don't fit the model base"):
        WaveGradTrainer(BASE, BASE_TRAINING, tiny_dataset, tmp_path / "third", init=tiny_checkpoint)


# ---------------------------------------------------------------------- the configuration
def test_the_learning_rate_falls_to_a_twentieth_between_25_and_100_thousand() -> None:
    rates = [PUBLISHED.rate(k) for k in (0, 25_000, 62_500, 100_000, 999_999)]
    assert rates[:2] == [3e-4, 3e-4]
    assert rates[2] == pytest.approx(3e-4 * 0.05**0.5)
    assert rates[3] == rates[4] == pytest.approx(1.5e-5)
