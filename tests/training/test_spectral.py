"""`dlpo train spectral`: each part learns its own weights, resumes, and joins."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dlpo.checkpoint import Tuned, load_checkpoint
from dlpo.data.dataset import Corpora
from dlpo.errors import ConfigError, InputError, TrainingError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import named_schedule
from dlpo.training import spectral_trainer
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.batches import Batches
from dlpo.training.contour_losses import RecordedContours
from dlpo.training.launch import open_training
from dlpo.training.run import warm_average
from dlpo.training.spectral_trainer import PARTS, SpectralTrainer
from dlpo.training.synthesis import speak
from tests.toys import CONTOUR, SPECTRAL, SPECTRAL_TRAINING, save_toy


def run(
    data: Path, out: Path, inits: tuple[Path, ...] = (), **changes: object
) -> dict[str, torch.Tensor]:
    """The averaged weights of a short run."""
    training = replace(SPECTRAL_TRAINING, **changes)  # type: ignore[arg-type]
    trainer = SpectralTrainer(SPECTRAL, training, [data], [1.0], out, inits)
    return load_file(trainer.run() / "model.safetensors")


@pytest.mark.parametrize("part", ["acoustics", "denoiser", "sound", "timing"])
def test_a_part_changes_its_own_weights_alone(
    part: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    before = run(tiny_dataset, tmp_path / "before", part=part, updates=1, learning_rate=1e-9)
    after = run(tiny_dataset, tmp_path / "after", part=part, learning_rate=0.1, ema_decay=0.0)
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    still = [prefix for prefix in PARTS[part] if not any(n.startswith(prefix) for n in changed)]
    assert {*still} <= {"adapters", "gates"}  # which the toy lacks
    assert all(name.startswith(PARTS[part]) for name in changed)


def test_timing_needs_sentences() -> None:
    with pytest.raises(ConfigError, match="timing_batch is 0; timing needs 1 or more"):
        replace(SPECTRAL_TRAINING, part="timing", timing_batch=0)


def test_the_denoiser_hears_mel_without_dropout(tiny_dataset: Path, tmp_path: Path) -> None:
    def learning(part: str) -> bool:
        training = replace(SPECTRAL_TRAINING, part=part, updates=1)  # type: ignore[arg-type]
        trainer = SpectralTrainer(SPECTRAL, training, [tiny_dataset], [1.0], tmp_path / part)
        trainer.run()
        return trainer.model.mel_blocks.training

    assert (learning("acoustics"), learning("sound")) == (True, False)


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


def test_three_checkpoints_give_a_part_each(tiny_dataset: Path, tmp_path: Path) -> None:
    plain = replace(SPECTRAL, voices=("ann", "bob"))
    drawn = replace(plain, voices=("bob", "ann"), contour=CONTOUR)
    configs = (plain, plain, drawn)
    inits = tuple(
        save_toy(tmp_path / f"{seed}", config, seed=seed) for seed, config in enumerate(configs)
    )
    run(tiny_dataset, tmp_path / "run", inits, part="joint", updates=1, learning_rate=1e-9)
    first, second, third = (load_file(path / "model.safetensors") for path in inits)
    joined = load_file(tmp_path / "run" / "checkpoint" / "model.safetensors")
    spectrum, flow = "spectrum_in.weight", "contour.flow.hidden_in.weight"
    voices = "pitch_voices.weight"
    assert torch.equal(joined["embedding.weight"], first["embedding.weight"].half())
    torch.testing.assert_close(joined[spectrum], second[spectrum].half())
    assert torch.equal(joined[flow], third[flow].half())
    assert torch.equal(joined[voices][:2], third[voices][[1, 0]].half())
    with pytest.raises(TrainingError, match="4 checkpoints"):
        run(tiny_dataset, tmp_path / "four", (*inits, inits[0]), part="joint")
    with pytest.raises(TrainingError, match="has no contour"):
        run(tiny_dataset, tmp_path / "flat", (*inits[1:], inits[0]), part="joint")


def test_training_on_remembers_how_it_was_tuned(tiny_dataset: Path, tmp_path: Path) -> None:
    init = save_toy(tmp_path / "init", replace(SPECTRAL, voices=("lj",)), seed=0)
    tuned = Tuned("dlpo", "endings", "cosine", 1, 0.7, 600, "0" * 64)
    file = init / "checkpoint.json"
    description = json.loads(file.read_text())
    description["provenance"]["tuned"] = asdict(tuned)
    file.write_text(json.dumps(description))
    run(tiny_dataset, tmp_path / "run", (init,), part="timing", updates=1, timing_batch=2)
    provenance = load_checkpoint(tmp_path / "run" / "checkpoint").provenance
    assert (provenance.tuned, provenance.tunings) == (None, (tuned,))


def test_a_checkpoint_may_get_a_taper_and_no_other_size(tiny_dataset: Path, tmp_path: Path) -> None:
    config = replace(SPECTRAL, voices=("lj",))
    init = save_toy(tmp_path / "init", config, seed=0)
    data, settings = {tiny_dataset: 1.0}, {"precision": "no", "model.source_taper_hz": 4000.0}
    opened = open_training("spectral", data, tmp_path / "run", [init], settings)
    start = load_checkpoint(init).model
    assert opened.model.config == replace(config, source_taper_hz=4000.0)
    for ours, theirs in zip(opened.model.parameters(), start.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    with pytest.raises(InputError, match=r"model\.width: the model is that of --init"):
        open_training("spectral", data, tmp_path, [init], settings | {"model.width": 8})


def test_adapters_teach_a_new_voice_and_leave_the_others_alone(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    def change(weights: dict[str, Any]) -> None:
        weights["gates.weight"][0] = 1.0

    config = replace(SPECTRAL, voices=("ann", "bob"), contour=CONTOUR, adapter_channels=4)
    start = save_toy(tmp_path / "start", config, seed=0, change=change)
    run(tiny_dataset, tmp_path / "run", (start,), part="adapters", learning_rate=0.1)
    before = load_file(start / "model.safetensors")
    after = load_file(tmp_path / "run" / "checkpoint" / "model.safetensors")
    for name, weights in before.items():
        place = tuple(slice(size) for size in weights.shape)
        assert torch.equal(after[name][place], weights.half()), name
    assert (after["gates.weight"][:, 4:] != 0).all(1).tolist() == [False, False, True]
    lj, ann = (w["conditioning_voices.weight"][i] for w, i in ((after, 2), (before, 0)))
    assert torch.equal(lj, ann.half())
    recorded = RecordedContours(Corpora([tiny_dataset], [1.0]), "train", lambda _: (0, -1))
    assert after["pitch_ranges"][2].tolist() == pytest.approx([*recorded.range_of(), 1], rel=1e-3)
    corpus = load_checkpoint(tmp_path / "run" / "checkpoint").provenance.corpus
    learned_before = load_checkpoint(start).provenance.corpus.removesuffix(" minutes")
    assert corpus == f"{learned_before} + 0 minutes"
    with pytest.raises(TrainingError, match="give it with --init"):
        run(tiny_dataset, tmp_path / "alone", part="adapters")
    others = save_toy(tmp_path / "others", replace(config, voices=("ann", "lj")), 0, change)
    with pytest.raises(ConfigError, match="of lj are also those of ann; add their data"):
        run(tiny_dataset, tmp_path / "more", (others,), part="adapters")


def test_a_checkpoint_names_the_languages_it_learned(tiny_dataset: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(tiny_dataset, tmp_path / "data"))
    index = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps({**index, "language": "es-419"}))
    start = save_toy(tmp_path / "start", replace(SPECTRAL, voices=("ann", "bob")), seed=0)
    described = start / "checkpoint.json"
    description = json.loads(described.read_text())
    description["provenance"]["languages"] = {"bob": "es-ES"}
    described.write_text(json.dumps(description))
    run(data, tmp_path / "run", (start,), part="acoustics", updates=1)
    learned = load_checkpoint(tmp_path / "run" / "checkpoint").provenance.languages
    assert learned == {"bob": "es-ES", "lj": "es-419"}


def test_interpolation_goes_a_part_of_the_way(tiny_dataset: Path, tmp_path: Path) -> None:
    start = save_toy(tmp_path / "start", SPECTRAL, seed=0)
    before = load_file(start / "model.safetensors")
    changes = {"part": "denoiser", "learning_rate": 0.1, "ema_decay": 0.0}
    whole, part = (
        run(tiny_dataset, tmp_path / str(share), (start,), interpolation=share, **changes)
        for share in (1.0, 0.25)
    )
    moved = [name for name in before if (whole[name] - before[name]).abs().max() > 0.01]
    assert len(moved) > 3
    for name in before:
        expected = 0.75 * before[name].double() + 0.25 * whole[name].double()
        assert torch.allclose(part[name].double(), expected, rtol=1e-3, atol=1e-4), name


def test_a_checkpoint_of_another_model_is_refused(
    base_checkpoint: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="is 'base'; expected a spectral checkpoint"):
        run(tiny_dataset, tmp_path / "out", (base_checkpoint,))
    parts = [save_toy(tmp_path / f"{n}", replace(SPECTRAL, blocks=n), 0) for n in (1, 2)]
    with pytest.raises(TrainingError, match="the checkpoints differ in size"):
        run(tiny_dataset, tmp_path / "out", (parts[0], parts[1]))


@torch.no_grad()
def test_frozen_acoustics_are_those_of_the_recording_s_voice(tiny_dataset: Path) -> None:
    corpora = Corpora([tiny_dataset], [1.0])
    torch.manual_seed(0)
    model = SpectralWaveGrad2(replace(SPECTRAL, voices=("other", *corpora.voices))).eval()
    model.voices.weight.mul_(10)
    batches = Batches(corpora, "train", 0, 0, model.config)
    windows = batches.whole(batches.recorded[0])
    sentences = windows.sentences

    def upsampled(voice: str) -> torch.Tensor:
        vector = model.voice(torch.tensor([model.config.rows(voice)]))
        hidden, timing = model.encode_symbols(sentences.phonemes, sentences.mask, vector)
        return model.upsample(hidden, sentences.durations, timing.ranges, windows.positions)

    frozen = FrozenAcoustics(model, batches).of(windows).upsampled
    torch.testing.assert_close(frozen, upsampled(corpora.voices[0]))
    assert not torch.allclose(frozen, upsampled("other"), atol=1e-2)


def test_the_contour_of_the_checkpoint_it_starts_from_stays(
    tiny_dataset: Path, drawing_checkpoint: Path, tmp_path: Path
) -> None:
    after = run(tiny_dataset, tmp_path, (drawing_checkpoint,), part="denoiser")
    start = load_file(drawing_checkpoint / "model.safetensors")
    flow = "contour.flow.out.weight"
    assert torch.allclose(after[flow].float(), start[flow], atol=1e-3)  # float16
    loaded = load_checkpoint(tmp_path / "checkpoint")
    assert loaded.config == load_checkpoint(drawing_checkpoint).config


def test_non_finite_loss_stops_and_keeps_the_batch(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = {"mel": torch.tensor(float("nan"))}
    monkeypatch.setattr(spectral_trainer, "acoustic_losses", lambda *_: bad)
    with pytest.raises(TrainingError, match=r"update 0: the loss is not finite.*bad_batch"):
        run(tiny_dataset, tmp_path, part="acoustics")
    assert load_file(tmp_path / "bad_batch.safetensors")["waveform"].shape == (2, 24 * 300)


def test_a_run_of_another_model_is_not_overwritten(tiny_dataset: Path, tmp_path: Path) -> None:
    run(tiny_dataset, tmp_path, part="denoiser", updates=1)
    other = replace(SPECTRAL, mel_blocks=2)
    with pytest.raises(TrainingError, match="holds a run with model"):
        SpectralTrainer(other, SPECTRAL_TRAINING, [tiny_dataset], [1.0], tmp_path)


def test_a_run_keeps_its_optimizer_and_lacks_no_new_setting(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    run(tiny_dataset, tmp_path, part="denoiser", updates=1, optimizer="muon")
    described = json.loads((tmp_path / "run.json").read_text())
    del described["model"]["free_part"]  # as in a run of an earlier version
    (tmp_path / "run.json").write_text(json.dumps(described))
    run(tiny_dataset, tmp_path, part="denoiser", updates=2, optimizer="muon")
    with pytest.raises(TrainingError, match='with optimizer "muon"'):
        run(tiny_dataset, tmp_path, part="denoiser", updates=3)


def test_torn_save_leaves_the_previous_state(tiny_dataset: Path, tmp_path: Path) -> None:
    training = replace(SPECTRAL_TRAINING, part="denoiser", updates=2)

    def resumed() -> SpectralTrainer:
        return SpectralTrainer(SPECTRAL, training, [tiny_dataset], [1.0], tmp_path)

    resumed().run()
    (tmp_path / "state").rename(tmp_path / "state.before")
    (tmp_path / "state.part").mkdir()
    assert resumed().update == 2
    (tmp_path / "state.before" / "averaged.safetensors").write_bytes(b"torn")
    with pytest.raises(TrainingError, match="can't be resumed"):
        resumed()


def test_the_average_forgets_its_start_quickly() -> None:
    averaged = [torch.tensor(100.0)]
    for count in range(1, 51):
        warm_average(0.999)(averaged, [torch.tensor(1.0)], torch.tensor(count))
    assert float(averaged[0]) == pytest.approx(1.0, abs=0.01)
