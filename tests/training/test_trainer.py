"""The trainer: it learns, resumes to the bit, stops when asked and when it must."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dlpo.checkpoint import load_checkpoint
from dlpo.config.training import TrainingConfig
from dlpo.errors import TrainingError
from dlpo.training import trainer as module
from dlpo.training.processes import arithmetic
from dlpo.training.run import warm_average
from dlpo.training.trainer import Trainer
from tests.toys import LITE, LITE_TRAINING

CONFIG = replace(LITE, encoder_dropout=0.2)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "checkpoint" / "model.safetensors")


def run(data: Path, out: Path, **changes: object) -> Trainer:
    trainer = Trainer(CONFIG, replace(LITE_TRAINING, **changes), data, out)  # type: ignore[arg-type]
    trainer.run()
    return trainer


def test_the_encoder_stands_still_after_its_part(tiny_dataset: Path, tmp_path: Path) -> None:
    run(tiny_dataset, tmp_path / "run", updates=2, adversarial_updates=0)
    before = weights(tmp_path / "run")
    run(tiny_dataset, tmp_path / "run")
    after = weights(tmp_path / "run")
    assert torch.equal(before["mel_out.weight"], after["mel_out.weight"])
    assert not torch.equal(before["patch_out.weight"], after["patch_out.weight"])


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_batch(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "acoustic_losses", lambda *_: {"mel": torch.tensor(float("nan"))})
    with pytest.raises(TrainingError, match=r"update 0: the loss is not finite.*bad_batch"):
        run(tiny_dataset, tmp_path / "run")
    batch = load_file(tmp_path / "run" / "bad_batch.safetensors")
    assert batch["waveform"].shape == (2, 24 * 300)


def test_a_run_of_another_model_is_not_overwritten(tiny_dataset: Path, tmp_path: Path) -> None:
    Trainer(CONFIG, LITE_TRAINING, tiny_dataset, tmp_path / "run")
    with pytest.raises(TrainingError, match="holds a run with model"):
        Trainer(replace(CONFIG, mel_blocks=2), LITE_TRAINING, tiny_dataset, tmp_path / "run")


def test_a_crash_while_saving_leaves_the_state_before(tiny_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(tiny_dataset, out, updates=2, adversarial_updates=0)
    (out / "state").rename(out / "state.before")
    (out / "state.part").mkdir()
    assert Trainer(CONFIG, LITE_TRAINING, tiny_dataset, out).update == 2


def test_a_damaged_state_is_said(tiny_dataset: Path, tmp_path: Path) -> None:
    run(tiny_dataset, tmp_path / "run", updates=2, adversarial_updates=0)
    (tmp_path / "run" / "state" / "averaged.safetensors").write_bytes(b"torn")
    with pytest.raises(TrainingError, match="can't be resumed"):
        Trainer(CONFIG, LITE_TRAINING, tiny_dataset, tmp_path / "run")


def test_the_contour_of_the_checkpoint_it_starts_from_comes_along(
    tiny_dataset: Path, drawing_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    Trainer(CONFIG, LITE_TRAINING, tiny_dataset, out, init=drawing_checkpoint).run()
    start = load_file(drawing_checkpoint / "model.safetensors")
    after = weights(out)
    flow = "contour.flow.out.weight"
    assert torch.allclose(after[flow].float(), start[flow], atol=1e-3)  # float16
    assert load_checkpoint(out / "checkpoint").config == load_checkpoint(drawing_checkpoint).config


def test_the_average_forgets_its_start_quickly() -> None:
    averaged = [torch.tensor(100.0)]
    for count in range(1, 51):
        warm_average(0.999)(averaged, [torch.tensor(1.0)], torch.tensor(count))
    assert float(averaged[0]) == pytest.approx(1.0, abs=0.01)


def test_learning_rates_rise_and_fall_in_each_part() -> None:
    training = TrainingConfig(
        updates=3000,
        acoustic_updates=1000,
        adversarial_updates=1000,
        adversarial_rate=2e-4,
        warmup=100,
    )
    for first, peak in ((0, 8e-4), (1000, 8e-4), (2000, 2e-4)):
        assert training.rate(first) == pytest.approx(peak / 100)
        assert training.rate(first + 400) == peak
        assert training.rate(first + 999) == pytest.approx(0.03 * peak)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx2": True, "avx512_bf16": False}, "no"),
        ({"avx2": True, "avx512_bf16": True}, "bf16"),
        ({"neon": True, "bf16": True}, "bf16"),
        ({}, "no"),
    ],
)
def test_bfloat16_is_chosen_where_the_cpu_computes_in_it(
    capabilities: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)

    assert arithmetic("auto") == expected
    assert arithmetic("bf16") == "bf16"
    assert arithmetic("no") == "no"
