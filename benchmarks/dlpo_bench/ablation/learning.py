"""One run: the denoiser of a variant learns anew, on a voice's frozen first part."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel

from dlpo.checkpoint import Checkpoint
from dlpo.config import LiteConfig, TrainingConfig
from dlpo.data.dataset import Dataset
from dlpo.errors import DataError, InputError
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.averages import warm_average
from dlpo.training.batches import Batches
from dlpo.training.distributed import arithmetic
from dlpo.training.losses import denoise_windows
from dlpo_bench.ablation.variants import AblatedLite, Variant

WEIGHTS, COST = "model.safetensors", "cost.json"
LEARNT = ("conditioning", "level", "patch", "down", "up", "film")  # children that start anew


@dataclass(frozen=True, slots=True)
class Learnt:
    """A variant that has spent its budget."""

    variant: Variant
    model: AblatedLite
    """averaged weights, in eval mode"""
    seconds: float
    """processor time of its updates"""
    weights: int
    """number of weights that learnt"""


def untaught(start: Checkpoint, variant: Variant) -> AblatedLite:
    """The variant with the checkpoint's first part and a denoiser of random weights.

    Raises:
        InputError: the checkpoint is not of a `lite`.
    """
    if not isinstance(start.config, LiteConfig):
        raise InputError("ablations are of `lite`; give a checkpoint of one")
    torch.manual_seed(0)
    model = AblatedLite(variant.configure(start.config), variant)
    first_part = {
        name: value
        for name, value in start.model.state_dict().items()
        if not name.startswith(LEARNT)
    }
    model.load_state_dict(first_part, strict=False)
    model.freeze_acoustics()
    return model


def learn(
    variant: Variant,
    start: Checkpoint,
    dataset: Dataset,
    budget: TrainingConfig,
    out: Path,
    report: Callable[[int, float], None] = lambda update, loss: None,
) -> Learnt:
    """Teach a variant, or open what an earlier call has taught.

    Args:
        variant: what is different.
        start: a voice whose first part is kept.
        dataset: recordings.
        budget: updates, batch, window, learning rate; the same for all. Its first part and its
            adversary have no say.
        out: directory of this run.
        report: called after every update.

    Raises:
        DataError: the loss is not finite, or what lies in `out` is of another variant.
    """
    model = untaught(start, variant)
    path = out / WEIGHTS
    count = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    if path.exists():
        try:
            model.load_state_dict(load_file(path))
        except RuntimeError as error:
            raise DataError(f"{path}: holds another model; choose another --out") from error
        seconds = float(json.loads((out / COST).read_text())["seconds"])
        return Learnt(variant, model.eval(), seconds, count)
    averaged = AveragedModel(model, multi_avg_fn=warm_average(budget.ema_decay), use_buffers=True)
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        learning, budget.learning_rate, (0.9, 0.98), weight_decay=budget.weight_decay
    )
    batches = Batches(dataset, "train", budget.seed)
    told = FrozenAcoustics(model, batches)
    started = time.process_time()
    for update in range(budget.updates):
        for group in optimizer.param_groups:
            group["lr"] = budget.rate(update)
        windows = variant.windows(batches.windows(update, budget.batch, budget.window))
        torch.manual_seed(update)  # dropout
        generator = torch.Generator().manual_seed(update)
        with torch.autocast("cpu", torch.bfloat16, enabled=arithmetic(budget.precision) == "bf16"):
            denoised = denoise_windows(model, windows, told.of(windows), generator)
            loss = torch.stack(list(variant.losses(model, denoised).values())).sum()
        if not torch.isfinite(loss):
            raise DataError(f"{variant.name}: the loss is {loss.item()} at update {update}")
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(learning, budget.gradient_clip)
        optimizer.step()
        averaged.update_parameters(model)
        report(update + 1, loss.item())
    seconds = time.process_time() - started
    out.mkdir(parents=True, exist_ok=True)
    (out / COST).write_text(json.dumps({"seconds": seconds, "updates": budget.updates}) + "\n")
    taught = cast(AblatedLite, averaged.module).eval()
    save_file({name: value.contiguous() for name, value in taught.state_dict().items()}, path)
    return Learnt(variant, taught, seconds, count)
