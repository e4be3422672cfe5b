"""How much of a judge's gradient a score-function method can see, and through how much noise.

    python -m research.gradient_signal --data D --record

For each of some sentences: the gradient of the expected score by going back through the chain and
the judge, all of it, and that part of it which goes through the steps with noise (a black-box
method sees no other); and the score-function estimate of that part from G seeds. From the spread of
the estimates follows how many chains it takes until the signal is as large as the noise.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor, nn

from dlpo.audio import SAMPLE_RATE
from dlpo.checkpoint import load_checkpoint
from dlpo.data.dataset import Dataset
from dlpo.errors import DlpoError
from dlpo.judges.distillmos import DistillMOS
from dlpo.model.reach import context_frames_per_step
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.rl.conditions import Conditions, Policy, conditions_of, freeze_all_but_denoiser
from dlpo.rl.differentiable import DifferentiableJudge
from dlpo.rl.direct import DifferentiableReward, direct_loss
from dlpo.rl.prompts import Prompts
from dlpo.rl.rollout import Key, Rollout, replay, roll_out, seed_keys
from dlpo_bench.record import write_record
from research import RECORDS

SEED = 0


@dataclass(frozen=True, slots=True)
class Gradients:
    """Of one sentence's expected score, over all learning weights (W,)."""

    whole: Tensor
    """through every step"""
    noisy: Tensor
    """through the steps with noise alone: less what the last step itself contributes"""
    estimate: Tensor
    """score function, from the group's seeds"""
    spread: float
    """standard deviation of the score between the seeds"""


@dataclass(frozen=True, slots=True)
class Probe:
    """A policy, its chain and its judge under the lens."""

    policy: Policy
    learning: Sequence[nn.Parameter]
    chain: NoiseSchedule
    judge: DistillMOS
    through_judge: DifferentiableReward
    """the same with a gradient"""

    def gradients(self, conditions: Conditions, keys: Sequence[Key]) -> Gradients:
        """Of one sentence with G seeds.

        Args:
            conditions: of one row.
            keys: G keys; the gradients through the chain are means over the first two.
        """
        group = len(keys)
        through = [self._through(conditions, key) for key in keys[:2]]
        whole, noisy = (torch.stack(part).mean(0) for part in zip(*through, strict=True))
        rollout = roll_out(self.policy, conditions.repeat(group), self.chain, keys, group)
        scores = self.judge.score(rollout.waveforms(self.policy), SAMPLE_RATE)
        # Log-densities are means over samples; times the samples they have their true scale. The
        # mean of the other seeds as the baseline keeps the estimate free of bias.
        advantages = torch.from_numpy((scores - scores.mean()) * group / (group - 1)).float()
        samples = int(conditions.frames[0]) * conditions.samples_per_frame
        log_probs = replay(self.policy, rollout).log_probs.sum(0) * samples
        (advantages * log_probs).mean().backward()  # type: ignore[no-untyped-call]
        return Gradients(whole, noisy, self._taken(), float(scores.std(ddof=1)))

    def _through(self, conditions: Conditions, key: Key) -> tuple[Tensor, Tensor]:
        """By going back through one chain: all of it, and all but the last step's own part."""
        rollout = roll_out(self.policy, conditions, self.chain, [key], 1)
        whole, last = (self._back(rollout, steps) for steps in (self.chain.steps, 1))
        return whole, whole - last

    def _back(self, rollout: Rollout, last_steps: int) -> Tensor:
        """(W,) gradient of the score through the last steps."""
        loss = direct_loss(self.policy, rollout, self.through_judge, last_steps)
        loss.backward()  # type: ignore[no-untyped-call]
        return -self._taken()

    def _taken(self) -> Tensor:
        """(W,) what has been added up in the weights' gradients, which start from 0 again."""
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.learning]
        taken = torch.cat([part.flatten() for part in parts])
        for parameter in self.learning:
            parameter.grad = None
        return taken


def summary(found: Sequence[Gradients], group: int) -> dict[str, Any]:
    """Norms of the mean gradients over sentences, and what the estimate would need.

    A sum of S sentences' estimates from G chains each has noise of variance v / (S G) around the
    gradient g; `chains_to_match` is v / |g|^2: with so many chains the cosine to g is 0.7.
    """
    whole, noisy, estimate = (
        torch.stack([getattr(g, name) for g in found]) for name in ("whole", "noisy", "estimate")
    )
    mean = {name: rows.mean(0) for name, rows in
            (("whole", whole), ("noisy", noisy), ("estimate", estimate))}  # fmt: skip
    variance = float((estimate - noisy).square().sum(1).mean()) * group
    return {
        "sentences": len(found),
        "chains": len(found) * group,
        "score_spread_between_seeds": float(np.mean([g.spread for g in found])),
        "norm_whole": float(mean["whole"].norm()),
        "norm_noisy": float(mean["noisy"].norm()),
        "norm_estimate": float(mean["estimate"].norm()),
        "share_of_noisy_steps": float(mean["noisy"].norm() / mean["whole"].norm()),
        "cosine_estimate_noisy": _cosine(mean["estimate"], mean["noisy"]),
        "cosine_estimate_whole": _cosine(mean["estimate"], mean["whole"]),
        "noise_of_one_chain": variance**0.5,
        "chains_to_match": variance / float(mean["noisy"].square().sum()),
    }


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a, b, 0))


def main(
    data: Annotated[Path, typer.Option(exists=True, help="Dataset from `dlpo prepare`.")],
    checkpoint: Annotated[Path, typer.Option(exists=True)] = Path("voices/lj/checkpoint"),
    schedule: Annotated[str, typer.Option(help="Noise schedule.")] = "cosine:1.25",
    steps: Annotated[int, typer.Option(min=2, max=8)] = 3,
    eta: Annotated[float, typer.Option(min=0, max=1)] = 0.7,
    sentences: Annotated[int, typer.Option(min=1)] = 12,
    group: Annotated[int, typer.Option(min=2, help="Seeds of each sentence.")] = 8,
    longest_s: Annotated[float, typer.Option(help="Longest sentence.")] = 2.5,
    record: Annotated[bool, typer.Option(help="Write a benchmark record.")] = False,
) -> None:
    """Compare the score-function gradient of DistillMOS with the true one."""
    try:
        loaded = load_checkpoint(checkpoint)
        learning = freeze_all_but_denoiser(loaded.model)
        chain, judge = named_schedule(schedule, steps, eta), DistillMOS()
        probe = Probe(loaded.model, learning, chain, judge, DifferentiableJudge(judge))
        reach = context_frames_per_step(loaded.model, loaded.config.conditioning_channels)
        found = []
        for prompt in Prompts(Dataset(data), SEED, longest_s).draw(0, sentences):
            conditions = conditions_of(loaded.model, [prompt], reach)
            keys = seed_keys(SEED, 0, [prompt.number], group)
            found.append(probe.gradients(conditions, keys))
            typer.echo(f"{len(found)} of {sentences}: {prompt.text}", err=True)
        figures = summary(found, group)
        for name, value in figures.items():
            typer.echo(f"{name}\t{value:.4g}")
        if record:
            command = shlex.join(["python", "-m", "research.gradient_signal", *sys.argv[1:]])
            samples = {"score_spread": [g.spread for g in found]}
            typer.echo(write_record("gradient-signal", figures, command, RECORDS, samples=samples))
    except DlpoError as error:
        typer.echo(f"research.gradient_signal: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
