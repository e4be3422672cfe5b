"""Training of WaveGrad 2 as published: excerpts, losses, and a run that resumes to the bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from dlpo.audio import log_mel
from dlpo.checkpoint import load_checkpoint
from dlpo.config.training import BASE_TRAINING as PUBLISHED
from dlpo.config.training import MINI_TRAINING
from dlpo.data.dataset import Corpora
from dlpo.errors import TrainingError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.model.build import build_model
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.noise_schedule import linear, named_schedule
from dlpo.text.symbols import SPANISH, SYMBOL_IDS, SYMBOLS
from dlpo.training.batches import Batches
from dlpo.training.excerpts import ExcerptBatches
from dlpo.training.symbols import grown_embedding
from dlpo.training.synthesis import speak
from dlpo.training.wavegrad_losses import (
    MelHead,
    continuous_levels,
    duration_loss,
    mel_loss,
    recorded_conditioning,
    text_losses,
    wavegrad_losses,
)
from dlpo.training.wavegrad_trainer import WaveGradTrainer
from tests.toys import BASE, BASE_TRAINING, save_toy

HOP = PUBLISHED_GRID.hop_length
KNOWN = 79  # symbols of 1.0


@pytest.fixture
def excerpts(tiny_dataset: Path) -> ExcerptBatches:
    return ExcerptBatches(Batches(Corpora([tiny_dataset]), "train", 0, 0, BASE))


def run(data: Path, out: Path, **changes: object) -> WaveGradTrainer:
    trainer = WaveGradTrainer(BASE, replace(BASE_TRAINING, **changes), data, out)  # type: ignore[arg-type]
    trainer.run()
    return trainer


# ---------------------------------------------------------------------- excerpts
def test_an_excerpt_is_its_recording_with_a_peak_of_one(excerpts: ExcerptBatches) -> None:
    utterance = excerpts.recorded[0]
    whole = excerpts.dataset[utterance].waveform
    made = excerpts.collate([(utterance, 30)], window=10, context=4)
    expected = whole[26 * HOP : 44 * HOP] / np.abs(whole).max()
    np.testing.assert_allclose(made.waveform[0].numpy(), expected, atol=1e-6)
    assert made.spectra.positions[0].tolist() == [26.5 + k for k in range(18)]


def test_only_recorded_frames_in_the_window_are_scored(
    excerpts: ExcerptBatches,
) -> None:
    utterance = excerpts.recorded[0]
    frames = excerpts.dataset.entries[utterance].frames
    made = excerpts.collate([(utterance, 0), (utterance, frames - 3)], window=10, context=4)
    by_frame = made.scored.view(2, 18, HOP)
    assert torch.equal(by_frame.amin(2), by_frame.amax(2))
    assert by_frame[:, :, 0].tolist() == [
        [0] * 4 + [1] * 10 + [0] * 4,
        [0] * 4 + [1] * 3 + [0] * 11,
    ]
    past_the_ends = made.waveform.view(2, 18, HOP)
    assert not past_the_ends[0, :4].any()
    assert not past_the_ends[1, 7:].any()


def test_its_log_mel_is_that_of_the_scaled_recording(excerpts: ExcerptBatches) -> None:
    utterance = excerpts.recorded[0]
    whole = excerpts.dataset[utterance].waveform
    loud = log_mel(whole / np.abs(whole).max(), PUBLISHED_GRID).T  # (80, F)
    frames = loud.shape[1]
    made = excerpts.collate([(utterance, frames - 12)], window=10, context=4).spectra
    assert made.inside[0].tolist() == [1] * 16 + [0] * 2
    heard = loud[:, -16:] > np.log(1e-3)  # the floor is that of the recording as it is
    np.testing.assert_allclose(made.mel[0, :, :16].numpy()[heard], loud[:, -16:][heard], atol=0.01)


def test_whole_sentences_are_padded_to_the_longest(excerpts: ExcerptBatches) -> None:
    drawn = excerpts.draw_whole(0, 5)
    entries, frames = excerpts.dataset.entries, drawn.inside.sum(1).int().tolist()
    assert set(frames) <= {entries[i].frames for i in excerpts.recorded}
    assert drawn.mel.shape == (5, 80, max(frames))
    assert drawn.positions[:, 0].tolist() == [0.5] * 5


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


def test_focus_draws_low_noise_more_often() -> None:
    generator = torch.Generator().manual_seed(3)
    drawn = continuous_levels(100_000, generator, focus=2.0).double().numpy()
    place = np.interp(drawn, linear(1000), np.arange(1001) / 1000)
    expected = np.sqrt((np.arange(100) + 0.5) / 100)  # quantiles of the density 2 x
    np.testing.assert_allclose(
        np.quantile(place, (np.arange(100) + 0.5) / 100), expected, atol=2e-3
    )


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

    losses = wavegrad_losses(Knows(BASE), batch, PUBLISHED, torch.Generator().manual_seed(0))
    assert losses["noise"] < 2e-3  # float32, near a level of 1
    assert losses["duration"] == 0
    assert noisy["x"].shape == batch.waveform.shape


def test_balanced_levels_count_the_same(excerpts: ExcerptBatches) -> None:
    """A decoder that adds nothing to the best linear estimate has the same loss at every level."""
    torch.manual_seed(0)
    model = WaveGrad2(replace(BASE, data_std=0.1)).eval()
    nn.init.zeros_(model.decoder.write.weight)
    drawn = excerpts.draw(0, 8, 32, 2)
    white = 0.1 * torch.randn(drawn.waveform.shape)
    batch = replace(drawn, waveform=white, scored=torch.ones_like(white))
    generator = torch.Generator().manual_seed(0)

    even, published = (
        wavegrad_losses(model, batch, replace(PUBLISHED, level_balance=power), generator)[
            "noise"
        ].item()
        for power in (1.0, 0.0)
    )

    assert even == pytest.approx((2 / np.pi) ** 0.5, rel=0.02)  # the mean of |N(0, 1)|
    assert published < 0.4 * even


def test_durations_are_compared_in_seconds(excerpts: ExcerptBatches) -> None:
    sentences = excerpts.draw(0, 2, 8, 0).sentences
    late = (sentences.durations + 7.35) * sentences.mask  # 0.1 s too long
    loss = duration_loss(late, sentences.durations, sentences.mask)
    assert float(loss) == pytest.approx(0.01, rel=1e-4)


def test_the_mel_loss_is_a_mean_over_the_frames_of_recordings(excerpts: ExcerptBatches) -> None:
    spectra = excerpts.collate([(excerpts.recorded[0], 0)], window=6, context=3).spectra
    predicted = torch.randn(spectra.mel.shape, generator=torch.Generator().manual_seed(0))
    errors = np.abs(predicted.numpy() - spectra.mel.numpy())[0, :, 3:]
    assert float(mel_loss(predicted, spectra)) == pytest.approx(errors.mean(), rel=1e-5)


def test_the_mel_head_is_two_convolutions_of_the_frames(excerpts: ExcerptBatches) -> None:
    torch.manual_seed(0)
    model = build_model(BASE).eval()
    head = MelHead(20)
    batch = excerpts.draw(0, 2, 8, 2)
    hidden = model.hidden(batch.sentences.phonemes, batch.sentences.mask)
    frames = recorded_conditioning(model, hidden, batch.spectra).detach()
    weights = replace(PUBLISHED, mel_weight=0.3)
    made = wavegrad_losses(model, batch, weights, torch.Generator(), head)["mel"]
    x = frames.double().numpy()
    for layer in (head.inner, head.out):
        weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
        padded = np.pad(x, ((0, 0), (0, 0), (2, 2)))
        x = bias[:, None] + sum(
            np.einsum("oi,bif->bof", weight[:, :, k], padded[:, :, k : k + x.shape[2]])
            for k in range(5)
        )
        x = np.where((x < 0) & (layer is head.inner), 0.2 * x, x)
    target, inside = batch.spectra.mel.numpy(), batch.spectra.inside.numpy()[:, None]
    errors = (np.abs(-4 + 2.5 * x - target) * inside).sum() / (80 * inside.sum())
    assert made.item() == pytest.approx(0.3 * errors, rel=1e-4)


def test_mel_teaches_the_encoder_and_not_the_decoder(excerpts: ExcerptBatches) -> None:
    model = build_model(BASE)
    losses = text_losses(model, excerpts.draw_whole(0, 2), 1.0, MelHead(20))
    losses["mel"].backward()
    assert model.encoder.embedding.weight.grad is not None
    assert model.encoder.embedding.weight.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in model.decoder.parameters())


def test_nothing_is_learnt_outside_the_window(excerpts: ExcerptBatches) -> None:
    torch.manual_seed(0)
    model = build_model(BASE).eval()
    batch = excerpts.collate([(excerpts.recorded[0], 20)], window=4, context=30)
    changed = replace(batch, waveform=batch.waveform.clone())
    changed.waveform[:, : 10 * HOP] = 1.0  # farther away than the decoder looks
    before, after = (
        wavegrad_losses(model, one, PUBLISHED, torch.Generator().manual_seed(0))["noise"]
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
    assert said.shape == (2 * len(symbols) * HOP,)
    assert np.abs(said).max() <= 1
    kept = load_file(tmp_path / "run" / "checkpoint" / "model.safetensors")
    assert int(kept["encoder.convolutions.0.1.num_batches_tracked"]) == 6


def test_mel_comes_first_and_stays_out_of_the_checkpoint(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    settings = {"mel_updates": 3, "mel_batch": 2, "mel_weight": 0.1}
    started = WaveGradTrainer(BASE, BASE_TRAINING, tiny_dataset, tmp_path / "start").model
    before = {name: value.clone() for name, value in started.state_dict().items()}
    trainer = run(tiny_dataset, tmp_path / "mel", updates=3, **settings)
    after = trainer.model.state_dict()
    for name, value in started.decoder.state_dict().items():
        assert torch.equal(after[f"decoder.{name}"], value)
    assert not torch.equal(after["encoder.embedding.weight"], before["encoder.embedding.weight"])
    run(tiny_dataset, tmp_path / "mel", updates=4, **settings)
    log = (tmp_path / "mel" / "log.jsonl").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    trained = [line.keys() & {"mel", "noise"} for line in lines if line["split"] == "train"]
    assert trained == [{"mel"}] * 3 + [{"mel", "noise"}]
    checkpoint = load_checkpoint(tmp_path / "mel" / "checkpoint")
    assert checkpoint.model.state_dict().keys() == before.keys()


def test_a_state_without_a_mel_head_goes_on(tiny_dataset: Path, tmp_path: Path) -> None:
    run(tiny_dataset, tmp_path / "run", updates=3)
    state = load_file(tmp_path / "run" / "state" / "model.safetensors")
    assert all(name.startswith("model.") for name in state)
    assert run(tiny_dataset, tmp_path / "run", updates=4).update == 4


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


def test_a_checkpoint_that_knows_fewer_symbols_grows(tiny_dataset: Path, tmp_path: Path) -> None:
    english = len(SYMBOLS) - len(SPANISH)
    earlier = save_toy(tmp_path / "earlier", replace(BASE, symbols=english), seed=2)
    started = WaveGradTrainer(BASE, BASE_TRAINING, tiny_dataset, tmp_path / "run", init=earlier)
    before = load_checkpoint(earlier).model.state_dict()
    grown, embedding = dict(started.model.state_dict()), "encoder.embedding.weight"
    assert len(grown[embedding]) == BASE.symbols
    grown[embedding] = grown[embedding][:english]
    assert all(torch.equal(grown[name], weights) for name, weights in before.items())


# ---------------------------------------------------------------------- the configuration
def test_learning_rate_falls_to_a_twentieth() -> None:
    rates = [PUBLISHED.rate(k) for k in (0, 25_000, 62_500, 100_000, 999_999)]
    assert rates[:2] == [3e-4, 3e-4]
    assert rates[2] == pytest.approx(3e-4 * 0.05**0.5)
    assert rates[3] == rates[4] == pytest.approx(1.5e-5)


def test_the_learning_rate_rises_in_both_parts() -> None:
    mel = MINI_TRAINING.mel_updates
    rise = MINI_TRAINING.warmup
    peak = MINI_TRAINING.learning_rate
    for first in (0, mel):
        rates = [MINI_TRAINING.rate(first + k) for k in (0, rise // 2 - 1, rise - 1)]
        assert rates == pytest.approx([peak / rise, peak / 2, peak])


def test_new_symbols_begin_as_their_nearest() -> None:
    rows = torch.randn(KNOWN + 1, 4, generator=torch.Generator().manual_seed(0))
    grown = grown_embedding(rows, KNOWN, len(SYMBOLS) + 1)
    torch.testing.assert_close(grown[:KNOWN], rows[:KNOWN])
    torch.testing.assert_close(grown[-1], rows[-1])  # that of a hidden symbol
    for new, old in (("E1", "EH1"), ("RR", "R"), ("NY", "N"), ("X", "HH")):
        torch.testing.assert_close(grown[SYMBOL_IDS[new]], rows[SYMBOL_IDS[old]])


def test_nothing_grows_where_all_symbols_are_known() -> None:
    rows = torch.arange(12.0).reshape(4, 3)
    torch.testing.assert_close(grown_embedding(rows, 4, 4), rows)
