"""`dlpo train spectral`: each part learns its own weights, resumes, and joins."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dlpo.checkpoint import load_checkpoint
from dlpo.config.training import SpectralTraining
from dlpo.data.dataset import Corpora
from dlpo.errors import TrainingError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import named_schedule
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.batches import Batches
from dlpo.training.spectral_trainer import PARTS, SpectralTrainer
from dlpo.training.synthesis import speak
from tests.toys import SPECTRAL

SHORT = SpectralTraining(
    updates=4, batch=4, window=16, acoustic_batch=2, acoustic_window=24, timing_batch=2,
    adversarial_from=2,
    log_every=2, validate_every=2, save_every=2, precision="no",
)  # fmt: skip


def run(
    data: Path, out: Path, inits: tuple[Path, ...] = (), **changes: object
) -> dict[str, torch.Tensor]:
    """The averaged weights of a short run."""
    training = replace(SHORT, **changes)  # type: ignore[arg-type]
    trainer = SpectralTrainer(SPECTRAL, training, [data], [1.0], out, inits)
    return load_file(trainer.run() / "model.safetensors")


@pytest.mark.parametrize("part", ["acoustics", "denoiser"])
def test_a_part_changes_its_own_weights_alone(
    part: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    before = run(tiny_dataset, tmp_path / "before", part=part, updates=1, learning_rate=1e-9)
    after = run(tiny_dataset, tmp_path / "after", part=part, learning_rate=0.1, ema_decay=0.0)
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(PARTS[part]) for name in changed)


def test_parts_join_into_a_voice_that_speaks(tiny_dataset: Path, tmp_path: Path) -> None:
    first = run(tiny_dataset, tmp_path / "acoustics", part="acoustics")
    second = run(tiny_dataset, tmp_path / "denoiser", part="denoiser")
    inits = (tmp_path / "acoustics" / "checkpoint", tmp_path / "denoiser" / "checkpoint")
    run(tiny_dataset, tmp_path / "joint", inits, part="joint", updates=3)
    joined = load_file(tmp_path / "joint" / "checkpoint" / "model.safetensors")
    assert torch.equal(joined["embedding.weight"], first["embedding.weight"])
    assert not torch.equal(joined["spectrum_out.weight"], second["spectrum_out.weight"])
    model = load_checkpoint(tmp_path / "joint" / "checkpoint").model
    symbols = torch.tensor([1, 12, 30, 45, 4]).numpy()
    durations = torch.full((5,), 6.0).numpy()
    waveform = speak(model, symbols, named_schedule("cosine", 2), durations=durations, voice="lj")
    assert waveform.shape == (30 * 300,)
    log = (tmp_path / "joint" / "log.jsonl").read_text().splitlines()
    assert {"diffusion", "stft"} <= set(json.loads(log[-1]))


def test_a_checkpoint_of_another_model_is_refused(
    tiny_checkpoint: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="is 'lite'; expected a spectral checkpoint"):
        run(tiny_dataset, tmp_path / "out", (tiny_checkpoint,))


@torch.no_grad()
def test_frozen_acoustics_are_those_of_the_recording_s_voice(tiny_dataset: Path) -> None:
    corpora = Corpora([tiny_dataset], [1.0])
    torch.manual_seed(0)
    model = SpectralWaveGrad2(replace(SPECTRAL, voices=("other", *corpora.voices))).eval()
    model.voices.weight.mul_(10)
    batches = Batches(corpora, "train", 0, 0, model.config.rows)
    windows = batches.whole(batches.recorded[0])
    sentences = windows.sentences

    def upsampled(voice: str) -> torch.Tensor:
        vector = model.voice(torch.tensor([model.config.rows(voice)]))
        hidden, timing = model.encode_symbols(sentences.phonemes, sentences.mask, vector)
        return model.upsample(hidden, sentences.durations, timing.ranges, windows.positions)

    frozen = FrozenAcoustics(model, batches).of(windows).upsampled
    torch.testing.assert_close(frozen, upsampled(corpora.voices[0]))
    assert not torch.allclose(frozen, upsampled("other"), atol=1e-2)
