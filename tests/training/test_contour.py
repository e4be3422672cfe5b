"""Training of the contour: what recordings say, the losses, and a run that resumes to the bit."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dlpo.checkpoint import load_checkpoint
from dlpo.config.models import SpectralConfig
from dlpo.data.dataset import Corpora
from dlpo.data.ljspeech import prepare
from dlpo.data.options import FeatureSet
from dlpo.errors import DataError, TrainingError
from dlpo.model.acoustics import LOG_F0_SCALE
from dlpo.model.contour import Contour, upsample_contour
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.training.batches import whole_frames
from dlpo.training.contour_losses import (
    HOTTEST,
    SURE,
    RecordedContours,
    contour_figures,
    lively_temperature,
    recorded_contour,
)
from dlpo.training.contour_trainer import ContourTrainer
from tests.toys import CONTOUR, CONTOUR_TRAINING, SPECTRAL, save_toy


def run(data: Path, out: Path, init: Path, **changes: object) -> ContourTrainer:
    training = replace(CONTOUR_TRAINING, **changes)  # type: ignore[arg-type]
    trainer = ContourTrainer(CONTOUR, training, [data], [1.0], out, init)
    trainer.run()
    return trainer


def with_f0(monkeypatch: pytest.MonkeyPatch, f0: np.ndarray) -> None:
    """Let every recording have this F0."""

    def changed(dataset: Corpora, i: int) -> np.ndarray:
        return f0[: dataset.entries[i].frames].astype(np.float32)

    monkeypatch.setattr(Corpora, "f0", changed)


def test_points_give_the_recorded_f0_back(
    tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Corpora([tiny_dataset])
    f0 = 200 * 2 ** (np.sin(np.arange(500) / 12) * 4 / 12)  # 8 semitones from trough to crest
    with_f0(monkeypatch, f0)
    (utterance,) = dataset.split("validation", with_audio=True)

    found = recorded_contour(dataset, utterance)

    durations = torch.from_numpy(whole_frames(dataset.timing(utterance)[1], dataset.grid))[None]
    frames = int(durations.sum())
    points = torch.from_numpy(found.points)[None] * found.spread + found.mean
    made = upsample_contour(points, durations, frame_positions(frames))[0].numpy()
    log_f0 = np.log(f0[:frames])
    assert found.mean == pytest.approx(log_f0.mean(), abs=1e-5)
    assert found.spread == pytest.approx(log_f0.std(), abs=1e-5)
    assert np.sqrt(np.mean((made - log_f0) ** 2)) < 0.15 * found.spread
    assert found.voiced.sum() == pytest.approx(frames, rel=1e-5)


def test_a_clip_without_voice_is_named(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_f0(monkeypatch, np.zeros(500))
    with pytest.raises(DataError, match=r"LJ00\d-\d+: 0 frames are voiced"):
        RecordedContours(Corpora([tiny_dataset]), "train", SPECTRAL.rows)


def test_figures_of_perfect_draws_are_perfect(tiny_dataset: Path) -> None:
    """A model that always draws what was recorded: no error, and all its moves."""
    recorded = RecordedContours(Corpora([tiny_dataset]), "train", SPECTRAL.rows)
    batch = recorded.collate(recorded.utterances)
    batch = replace(batch, points=torch.randn(batch.points.shape) * batch.sentences.mask[:, None])

    class Knows(Contour):
        def draw(self, *_: torch.Tensor) -> torch.Tensor:
            return self.config.centre + self.config.spread * batch.points

    figures = contour_figures(
        Knows(CONTOUR, 79), batch, 2, torch.Generator().manual_seed(0), torch.zeros(3, 8)
    )

    assert figures["crps"] == pytest.approx(0, abs=1e-5)
    assert figures["spread"] == pytest.approx(1, abs=1e-4)
    assert figures["move"] == pytest.approx(1, abs=1e-4)
    assert figures["likeness"] == pytest.approx(1, abs=1e-4)


def test_a_calm_flow_gets_the_heat_that_makes_up_for_it(tiny_dataset: Path) -> None:
    """Draws of 0.8 times their noise are as lively as standard normal contours at 1 / 0.8."""
    recorded = RecordedContours(Corpora([tiny_dataset]), "train", SPECTRAL.rows)
    batch = recorded.collate(recorded.utterances)
    torch.manual_seed(3)
    batch = replace(batch, points=torch.randn(batch.points.shape))

    class Calm(Contour):
        def draw(self, *inputs: torch.Tensor | None) -> torch.Tensor:
            noise = inputs[3]
            voice = inputs[4]
            config = self.config
            assert noise is not None
            assert voice is not None
            return config.centre + config.spread * 0.8 * voice[:, -1:, None] * noise

    model = Calm(CONTOUR, 79)
    sure = batch.voiced > SURE
    expected = float(batch.points[sure].std(correction=0)) / 0.8
    assert lively_temperature(model, batch, torch.zeros(len(batch.points), 8)) == pytest.approx(
        expected, rel=0.1
    )


def test_validation_takes_some_recordings_of_each_corpus(tiny_dataset: Path) -> None:
    corpora = Corpora([tiny_dataset, tiny_dataset], [1, 1])
    each = corpora.by_corpus(RecordedContours(corpora, "train", SPECTRAL.rows, most=1).utterances)
    assert list(map(len, each)) == [1, 1]


def test_pitch_is_learned_without_sound(
    tiny_corpus: Path, tiny_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    heard, corpus = Corpora([tiny_dataset]), tmp_path / "corpus"
    (corpus / "f0").mkdir(parents=True)
    shutil.copy(tiny_corpus / "metadata.csv", corpus)
    for i in heard.split("train", with_audio=True) + heard.split("validation", with_audio=True):
        np.save(corpus / "f0" / f"{heard.entries[i].id}.npy", heard.f0(i))
    silent = FeatureSet(without_sound=True)
    prepare(corpus, tiny_corpus / "alignments.tsv", tmp_path / "data", features=silent)
    trainer = run(tmp_path / "data", tmp_path / "run", tiny_checkpoint)
    with_sound = run(tiny_dataset, tmp_path / "with-sound", tiny_checkpoint)
    assert trainer.config == with_sound.config


def test_the_voice_stays_what_it_is_but_for_its_contour(
    tiny_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    trainer = run(tiny_dataset, tmp_path / "run", tiny_checkpoint)
    made, before = (
        load_checkpoint(tmp_path / "run" / "checkpoint"),
        load_checkpoint(tiny_checkpoint),
    )
    assert isinstance(made.config, SpectralConfig)
    contour = made.config.contour
    assert contour is not None
    assert isinstance(made.model, SpectralWaveGrad2)
    assert 1 <= made.model.pitch_ranges[0, 2] <= HOTTEST
    assert contour == trainer.config
    learned = replace(before.provenance, corpus=made.provenance.corpus)
    assert made.provenance == learned
    origin, _ = before.provenance.corpus.split(",")
    assert origin in learned.corpus
    config = trainer.config
    assert (config.centre, config.spread) == pytest.approx(trainer.recorded.range_of(), abs=1e-4)
    weights = made.model.state_dict()
    for name, value in before.model.state_dict().items():
        assert torch.allclose(weights[name], value, atol=1e-2, rtol=1e-3)  # float16


def test_a_model_without_frame_wise_pitch_gets_no_contour(
    tiny_dataset: Path, base_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="is 'base'; expected spectral"):
        run(tiny_dataset, tmp_path / "run", base_checkpoint)


def test_each_voice_draws_in_its_own_range(tiny_dataset: Path, tmp_path: Path) -> None:
    init = save_toy(tmp_path / "init", SPECTRAL, seed=0)
    trainer = run(tiny_dataset, tmp_path / "run", init)
    model = load_checkpoint(tmp_path / "run" / "checkpoint").model
    assert isinstance(model, SpectralWaveGrad2)
    centre, spread = trainer.recorded.range_of("lj")
    assert model.pitch_ranges[0, :2].tolist() == pytest.approx([centre, spread], abs=1e-3)

    phonemes = torch.tensor([[1, 12, 30, 45, 4]])
    mask, noise = torch.ones_like(phonemes, dtype=torch.bool), torch.zeros(1, 2, 5)
    voice = model.voice(torch.tensor([[0, -1]]))
    higher = voice.clone()
    higher[:, -3] += 0.5  # its centre
    low, high = (model.encode(phonemes, mask, noise, v)[0][:, -2:] for v in (voice, higher))
    torch.testing.assert_close(high - low, torch.full((1, 2, 5), 0.5 * LOG_F0_SCALE))
