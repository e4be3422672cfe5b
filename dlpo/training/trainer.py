"""`dlpo train`: likelihood training with averaged weights, resumable to the bit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import cast

import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from dlpo.audio import Waveform
from dlpo.checkpoint import Provenance, current_commit, load_checkpoint, save_checkpoint
from dlpo.config import LiteConfig, TrainingConfig, to_dict
from dlpo.data.dataset import Dataset
from dlpo.errors import TrainingError
from dlpo.model.build import build_model
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import named_schedule
from dlpo.training.acoustics import Acoustics, FrozenAcoustics
from dlpo.training.averages import warm_average
from dlpo.training.batches import Batches, Sentences, Windows
from dlpo.training.contest import Contest, descend
from dlpo.training.interrupts import Interrupts
from dlpo.training.losses import Denoised, acoustic_losses, denoise_windows, denoiser_losses
from dlpo.training.run_log import RunLog
from dlpo.training.run_state import load_state, save_state
from dlpo.training.synthesis import speak

Report = Callable[[int, dict[str, float]], None]
VALIDATION_WINDOWS = 32
SAMPLE_STEPS = 4  # reverse steps of the utterance that TensorBoard plays


def _total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


class TrainingStep(torch.nn.Module):
    """The losses as one module, so that data-parallel training sees every gradient."""

    def __init__(self, model: LiteWaveGrad2) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        windows: Windows,
        told: Sentences | Acoustics | None,
        generator: torch.Generator,
    ) -> tuple[dict[str, Tensor], Denoised | None]:
        """Losses of the denoiser if `told` is the frozen acoustics, else of what is before it."""
        if not isinstance(told, Acoustics):
            return acoustic_losses(self.model, windows, told, generator), None
        denoised = denoise_windows(self.model, windows, told, generator)
        return denoiser_losses(denoised, self.model.config.patch), denoised


class Trainer:
    """One run in one directory.

        out/run.json      configuration of model and training, data hash
        out/state/        everything to resume from: weights, optimiser, averaged weights, update
        out/checkpoint/   averaged weights as float16, to listen to, export and publish
        out/log.jsonl     one line of figures every so often; TensorBoard's events lie beside it

    Update k draws its windows, noise and dropout from (seed, k) alone, so that a resumed run is
    equal to the bit to one that never stopped.

    Args:
        config: model to train.
        training: how.
        data: directory of a prepared dataset.
        out: directory of the run; holds a state already when resuming.
        init: checkpoint to start from instead of random weights; its contour comes along.

    Raises:
        DataError, CheckpointError: unusable input.
        TrainingError: the run in `out` is of another model.
    """

    def __init__(
        self,
        config: LiteConfig,
        training: TrainingConfig,
        data: Path,
        out: Path,
        init: Path | None = None,
    ) -> None:
        start = load_checkpoint(init) if init is not None else None
        if start is not None and isinstance(start.config, LiteConfig):
            config = replace(config, contour=start.config.contour)  # it stands still here
        self.config, self.training, self.out = config, training, out
        self.accelerator = Accelerator(mixed_precision=training.precision)
        self.dataset = Dataset(data)
        torch.manual_seed(training.seed)
        model = build_model(config)
        if start is not None:
            model.load_state_dict(start.model.state_dict())
        optimizer = torch.optim.AdamW(
            model.parameters(),
            training.learning_rate,
            (0.9, 0.98),
            weight_decay=training.weight_decay,
        )
        seed, rank = training.seed, self.accelerator.process_index
        self.batches = Batches(self.dataset, "train", seed, rank)
        self.held_out = Batches(self.dataset, "validation", seed)
        self.averaged = AveragedModel(
            model, multi_avg_fn=warm_average(training.ema_decay), use_buffers=True
        ).to(self.accelerator.device)
        self.model = model
        self.step, self.optimizer = self.accelerator.prepare(TrainingStep(model), optimizer)
        self.contest = Contest(self.accelerator, training.adversarial_rate, training.gradient_clip)
        self.told = FrozenAcoustics(model, self.batches)
        self.update = 0
        self.stop_signal: int | None = None
        self._open_run()

    def _open_run(self) -> None:
        """Write the description of a new run, or resume the one that is there."""
        self.out.mkdir(parents=True, exist_ok=True)
        description = self.out / "run.json"
        model = {"model": to_dict(self.config), "data_sha256": self.dataset.sha256}
        if description.exists():
            before = json.loads(description.read_text())
            before["model"] = {"contour": None} | before.get("model", {})  # as in older runs
            if {key: before.get(key) for key in model} != json.loads(json.dumps(model)):
                raise TrainingError(
                    f"{self.out}: holds a run of another model or dataset; choose another --out"
                )
        self.update = load_state(self.out, self.accelerator, self.averaged)
        description.write_text(
            json.dumps(model | {"training": to_dict(self.training)}, indent=2) + "\n"
        )

    def save(self) -> None:
        """Write the state and the checkpoint."""
        if not self.accelerator.is_main_process:
            return
        save_state(self.out, self.accelerator, self.averaged, self.update)
        save_checkpoint(
            self.out / "checkpoint",
            self.averaged.module.state_dict(),
            self.config,
            Provenance(self.update, self.dataset.sha256, current_commit()),
            torch.float16,
        )

    def run(self, report: Report = lambda update, figures: None) -> Path:
        """Train to the last update; on SIGINT or SIGTERM save and return early.

        Args:
            report: called after each update with its number and its loss terms.

        Returns:
            The checkpoint's directory.

        Raises:
            TrainingError: the loss is not finite; the batch lies in `out/bad_batch.safetensors`.
        """
        run_log = RunLog(self.out) if self.accelerator.is_main_process else None
        started, first = time.monotonic(), self.update
        with Interrupts() as asked:
            while self.update < self.training.updates and asked.signal is None:
                figures = self._one_update()
                self.update += 1
                report(self.update, figures)
                pace = (time.monotonic() - started) / (self.update - first)
                if run_log is not None:
                    self._log(run_log, figures | {"seconds_per_update": pace})
                if self.update % self.training.save_every == 0:
                    self.save()
            self.save()
        self.stop_signal = asked.signal
        return self.out / "checkpoint"

    def _log(self, run_log: RunLog, figures: dict[str, float]) -> None:
        """Write what is due after this update."""
        training, update = self.training, self.update
        if update % training.log_every == 0:
            run_log.figures(update, "train", figures)
        if update % training.validate_every == 0 and self.held_out.recorded:
            run_log.figures(update, "validation", self._validate())
            if update > training.acoustic_updates:
                run_log.sample(update, self._sample())

    def _one_update(self) -> dict[str, float]:
        training, update = self.training, self.update
        device = self.accelerator.device
        told: Sentences | Acoustics | None = None
        if update < training.acoustic_updates:
            window = training.acoustic_window
            windows = self.batches.windows(update, training.batch, window).to(device)
            if training.timing_batch:
                told = self.batches.timings(update, training.timing_batch).to(device)
        else:
            if update == training.acoustic_updates:
                self.model.load_state_dict(self.averaged.module.state_dict())
            self.model.freeze_acoustics()
            windows = self.batches.windows(update, training.batch, training.window).to(device)
            told = self.told.of(windows)
        for group in self.optimizer.param_groups:
            group["lr"] = training.rate(update)
        key = (training.seed * 1_000_003 + update) * 64 + self.accelerator.process_index
        torch.manual_seed(key)  # dropout
        generator = torch.Generator().manual_seed(key)
        with self.accelerator.autocast():
            terms, denoised = self.step(windows, told, generator)
            contested = denoised is not None and self._is_adversarial()
            if contested:
                last_layer = self.model.patch_out.weight
                terms |= self.contest.deceive(denoised, _total(terms), last_layer)
        loss = _total(terms)
        if not torch.isfinite(loss):
            self._fail(windows, terms)
        figures = {name: value.item() for name, value in terms.items()} | {"loss": loss.item()}
        figures["gradient_norm"] = descend(
            self.accelerator,
            self.optimizer,
            self.step.parameters(),
            loss,
            training.gradient_clip,
        )
        self.averaged.update_parameters(self.model)
        if contested and (update + 1) % training.adversary_every == 0:
            figures["adversary"] = self.contest.teach(denoised, training.rate(update))
        return figures

    def _is_adversarial(self) -> bool:
        return self.update >= self.training.updates - self.training.adversarial_updates

    def _fail(self, windows: Windows, terms: dict[str, Tensor]) -> None:
        """Save the batch that gave no finite loss, and stop."""
        batch = {
            f.name: getattr(windows, f.name)
            for f in fields(windows)
            if f.name not in ("places", "sentences")
        }
        batch |= {f.name: getattr(windows.sentences, f.name) for f in fields(windows.sentences)}
        path = self.out / "bad_batch.safetensors"
        save_file({name: value.contiguous() for name, value in batch.items()}, path)
        found = {name: round(value.item(), 4) for name, value in terms.items()}
        raise TrainingError(
            f"update {self.update}: the loss is not finite ({found}); its batch is in {path};"
            f" resume from the last state with a lower learning rate than"
            f" {self.training.rate(self.update):.1e}"
        )

    def _averaged_model(self) -> LiteWaveGrad2:
        """The averaged weights, ready to speak."""
        return cast(LiteWaveGrad2, self.averaged.module.eval())

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Loss terms of the averaged weights on fixed windows, levels and noise."""
        training, model = self.training, self._averaged_model()
        generator = torch.Generator().manual_seed(0)
        first_part = self.update <= training.acoustic_updates
        window = training.acoustic_window if first_part else training.window
        windows = self.held_out.windows(0, VALIDATION_WINDOWS, window).to(self.accelerator.device)
        with self.accelerator.autocast():
            if first_part:
                terms = acoustic_losses(model, windows, None, generator)
            else:
                told = FrozenAcoustics(model, self.held_out).of(windows)
                denoised = denoise_windows(model, windows, told, generator)
                terms = denoiser_losses(denoised, model.config.patch)
        return {name: value.item() for name, value in terms.items()}

    @torch.no_grad()
    def _sample(self) -> Waveform:
        """The first validation text, spoken with the averaged weights."""
        symbols, _ = self.dataset.timing(self.held_out.recorded[0])
        return speak(self._averaged_model(), symbols, named_schedule("cosine", SAMPLE_STEPS))
