"""The baselines: a checkpoint spoken by PyTorch, sampled as in the papers, or compiled."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dlpo.audio import HOP_LENGTH
from dlpo.bundle import GraphInfo, Manifest, ScheduleInfo, TensorInfo
from dlpo.checkpoint import Checkpoint
from dlpo.diffusion import Denoise, to_x0
from dlpo.errors import EngineError
from dlpo.model.build import Model
from dlpo.noise_schedule import MAX_STEPS, NoiseSchedule, named_schedule
from dlpo_bench.torch_engine import TorchEngine
from dlpo_serving.engine import Floats

PAPER_CHAIN = ScheduleInfo("linear", 1.0)
"""The sampler of WaveGrad 2 and DLPO: every step of the 1000 that it was trained on, ancestral."""
SEED = 0  # of the noise between steps


@dataclass(frozen=True, slots=True)
class Step:
    """One reverse step as x' = x0_share * x0 + x_share * x + std * noise."""

    level: Tensor
    """(1,) sqrt(alpha_bar), as the network reads it"""
    x0_share: float
    x_share: float
    std: float


def steps_of(schedule: NoiseSchedule) -> list[Step]:
    """`dlpo.diffusion.reverse_step` with all that doesn't depend on x computed beforehand.

    A loop of a thousand steps would else spend its time on NumPy, and the baseline look slow.
    """
    alpha, sigma, std = schedule.alpha, schedule.sigma, schedule.posterior_std
    kept = np.sqrt(np.maximum(0.0, sigma[1:] ** 2 - std**2)) / sigma[:-1]
    x0_shares = alpha[1:] - kept * alpha[:-1]
    levels = torch.from_numpy(alpha.astype(np.float32))
    return [
        Step(levels[i : i + 1], float(x0_shares[i]), float(kept[i]), float(std[i]))
        for i in range(schedule.steps)
    ]


def reverse_steps(
    denoise: Denoise,
    model: Model,
    steps: Sequence[Step],
    conditioning: Tensor,
    source: Tensor,
    noise: Iterator[Tensor],
) -> Tensor:
    """Some steps of a reverse chain, as `dlpo.diffusion.sample` takes all of them.

    Args:
        denoise: the model's own, or the same compiled.
        conditioning: (B, C, F).
        source: (B, F, 300).
        noise: (B, F, 300) each, standard normal: the start, then one for each step with noise.

    Returns:
        (B, F, 300), the waveform without the voice's gain.
    """
    flat_source = source.flatten(1)
    x = next(noise).flatten(1)
    for step in steps:
        prediction = denoise(x, step.level, conditioning, flat_source)
        x0 = to_x0(prediction, x, step.level, model.parametrisation)
        if model.x0_limit is not None:
            x0 = x0.clamp(-model.x0_limit, model.x0_limit)
        x = step.x0_share * x0 + step.x_share * x
        if step.std > 0:
            x = x + step.std * next(noise).flatten(1)
    return model.to_waveform(x).view(source.shape)


class PaperSampler(TorchEngine):
    """PyTorch as it is, 1000 ancestral steps; or only some of them, for their time alone.

    The noise is drawn step by step, as the papers' samplers do: a thousand planes of it at once
    would be 0.7 GB for a sentence.
    """

    def __init__(self, checkpoint: Checkpoint, like: Manifest) -> None:
        """See `TorchEngine`."""
        super().__init__(checkpoint, like, PAPER_CHAIN, (MAX_STEPS,))
        start = TensorInfo("noise", "float32", (1, "B", "F", HOP_LENGTH))
        chain = {f"denoiser_{MAX_STEPS}": GraphInfo({}, (start,), ())}
        self.manifest = replace(self.manifest, graphs={**self.manifest.graphs, **chain})
        self._model = checkpoint.model
        self._steps = steps_of(named_schedule(PAPER_CHAIN.name, MAX_STEPS, PAPER_CHAIN.eta))
        self.timed_steps = MAX_STEPS
        """how many of the 1000 are computed, evenly spread; with fewer the audio is no speech"""
        self.left_out_s = 0.0
        """what the others would have taken, since it was last set to 0"""

    @torch.inference_mode()
    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        chosen = np.linspace(0, MAX_STEPS - 1, self.timed_steps).round().astype(int)
        start = time.perf_counter()
        waveform: Floats = reverse_steps(
            self._model.denoise,
            self._model,
            [self._steps[i] for i in chosen],
            torch.from_numpy(conditioning),
            torch.from_numpy(source),
            _noise_from(torch.from_numpy(noise[0])),
        ).numpy()
        spent_s = time.perf_counter() - start
        self.left_out_s += spent_s * (MAX_STEPS / self.timed_steps - 1)
        return waveform


class CompiledEngine(TorchEngine):
    """PyTorch with the network of a step through `torch.compile`, for windows of any length."""

    def __init__(
        self, checkpoint: Checkpoint, like: Manifest, chain: ScheduleInfo, steps: Sequence[int]
    ) -> None:
        """See `TorchEngine`; compiling itself happens at the first windows."""
        super().__init__(checkpoint, like, chain, steps)
        self._model = checkpoint.model
        self._compiled: Denoise = torch.compile(self._model.denoise, dynamic=True)
        self._steps = {n: steps_of(named_schedule(chain.name, n, chain.eta)) for n in steps}

    @torch.inference_mode()
    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        try:
            waveform: Floats = reverse_steps(
                self._compiled,
                self._model,
                self._steps[steps],
                torch.from_numpy(conditioning),
                torch.from_numpy(source),
                iter(torch.from_numpy(noise)),
            ).numpy()
        except Exception as error:  # of many classes: no C++ compiler, an operator it can't do
            reason = str(error).strip().split("\n", 1)[0]
            raise EngineError(f"torch.compile failed ({type(error).__name__}: {reason})") from error
        return waveform


def _noise_from(first: Tensor) -> Iterator[Tensor]:
    """The noise that is given, then fresh noise without end."""
    generator = torch.Generator().manual_seed(SEED)
    yield first
    while True:
        yield torch.randn(first.shape, generator=generator)
