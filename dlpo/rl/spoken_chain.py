"""A voice's reverse chain, conditioned on sentences of mixed lengths."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from dlpo.audio import Waveform
from dlpo.config.tuning import TunedPart
from dlpo.errors import ConfigError, InputError
from dlpo.model.build import Model
from dlpo.model.reach import context_frames_per_step
from dlpo.model.spectral import SpectralWaveGrad2, learn_own_channels
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.conditions import Conditions
from dlpo.rl.core.rollout import Rollout
from dlpo.rl.prompts import Prompt
from dlpo.training.spectral_trainer import PARTS
from dlpo.training.synthesis import condition

LEARNING = {
    "denoiser": ("level", "spectrum", "decoder"),
    "sound": PARTS["sound"],
    "adapters": ("adapters",),
}
"""Prefixes of parameter names, by the part that learns."""


class SpokenChain(ChainPolicy):
    """The reverse chain of a voice, conditioned on text.

    Args:
        model: in eval mode.
        schedule: of the exported chain.
        reach: see `conditions_of`.
    """

    def __init__(self, model: Model, schedule: NoiseSchedule, reach: int = 0) -> None:
        super().__init__(model, schedule)
        self.reach = reach

    def conditions(self, prompts: Sequence[Prompt]) -> Conditions:
        return conditions_of(self.model, prompts, self.reach)

    def waveforms(self, rollout: Rollout) -> list[Waveform]:
        """B waveforms, each at its own length, float32, ready for a judge."""
        waveforms = self.model.to_waveform(rollout.output).detach().float().cpu().numpy()
        ends = rollout.conditions.samples.tolist()
        return [row[:end] for row, end in zip(waveforms, ends, strict=True)]


def speech_conditions(conditioning: Tensor, source: Tensor, frames: Tensor) -> Conditions:
    """What a denoiser of speech is given.

    Args:
        conditioning: (B, C, F).
        source: (B, T) harmonic source.
        frames: (B,) int64, how many of the F frames belong to each sentence.
    """
    samples = torch.arange(source.shape[1], device=source.device)
    ends = frames[:, None] * (source.shape[1] // conditioning.shape[2])
    return Conditions((conditioning, source), (samples < ends).to(source.dtype))


def pad_conditions(rows: Sequence[tuple[Tensor, Tensor]], reach: int) -> Conditions:
    """Batch sentences, each followed by silence.

    Args:
        rows: conditioning (1, C, F) and source (F * 300,) of each sentence.
        reach: frames that one reverse step looks ahead. At least this much silence follows every
            row, so that no row depends on longer ones in the batch.

    Raises:
        InputError: no rows, or a sentence without a frame.
    """
    lengths = [conditioning.shape[2] for conditioning, _ in rows]
    if not lengths or min(lengths) < 1:
        raise InputError(f"sentences have {lengths} frames; expected at least one, all above 0")
    total = max(lengths) + reach
    conditioning = torch.cat([functional.pad(c, (0, total - c.shape[2])) for c, _ in rows])
    hop = len(rows[0][1]) // lengths[0]
    padded = [functional.pad(s, (0, total * hop - len(s))) for _, s in rows]
    source = torch.stack(padded).to(conditioning)
    ends = torch.tensor(lengths, device=conditioning.device)
    return speech_conditions(conditioning, source, ends)


def conditions_of(model: Model, prompts: Sequence[Prompt], reach: int) -> Conditions:
    """Encode each sentence by itself, as a bundle does, and batch them.

    Args:
        model: in eval mode, with frozen durations; the conditioning carries the gradient of
            anything else before the denoiser that learns.
        prompts: sentences.
        reach: see `reach_of`.

    Raises:
        InputError: see `pad_conditions`; a sentence whose predicted length is 0 frames.
    """
    rows = []
    for prompt in prompts:
        conditioning, source = condition(model, prompt.symbols, voice=prompt.voice)
        rows.append((conditioning, torch.from_numpy(source)))
    return pad_conditions(rows, reach)


def reach_of(model: Model, prompt: Prompt) -> int:
    """How many frames one reverse step looks ahead.

    Args:
        model: in eval mode, on the CPU.
        prompt: any; only the width of its conditioning matters.
    """
    conditioning, _ = condition(model, prompt.symbols, voice=prompt.voice)
    return context_frames_per_step(model, conditioning.shape[1])


def freeze_all_but(model: Model, part: TunedPart, speakers: Collection[str] = ()) -> list[Tensor]:
    """Put a model in eval mode, freeze all but a part, and return what may learn.

    Dropout and batch norm stay in eval mode for both rollout and update: otherwise the policy
    scored would not be the one that acted. While the denoiser learns, its conditioning is fixed and
    computed once per rollout, and the encoder and durations, which a reward could corrupt, are out
    of reach. Part sound adds the mel predictor and the conditioning, which then carry a gradient;
    durations and pitch stay out of reach. While adapters learn, all other voices stay
    bit-identical.

    Args:
        speakers: those in the data.

    Raises:
        ConfigError: adapters of other speakers would learn, or there are none; the model predicts
            no mel.
    """
    model.eval().requires_grad_(False)
    if part == "sound" and not isinstance(model, SpectralWaveGrad2):
        raise ConfigError(
            f"part is sound, but {model.config.model} predicts no mel; expected denoiser"
        )
    if part == "adapters":
        learn_own_channels(model, speakers)
    learning = [w for name, w in model.named_parameters() if name.startswith(LEARNING[part])]
    return [weight.requires_grad_() for weight in learning]
