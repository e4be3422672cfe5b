"""How much of DLPO's guide is the sample, and how much the noise that it is measured with?

    python -m research.guide_noise

The diffusion loss of an own sample depends on the sample and on the noise that it is re-noised
with. Seeds of a sentence are compared, so only differences between them count. Two-way analysis of
variance of several seeds and draws of noise gives the share of these differences that belongs to
the sample, if the loss is the mean of K draws:

    own        var(sample) / (var(sample) + var(loss between draws, of one sample) / K)
    shared     var(sample) / (var(sample) + var(interaction of sample and draw) / K)
    opposite   the same, with K / 2 draws and their negatives
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from dlpo.checkpoint import load_checkpoint
from dlpo.noise_schedule import named_schedule
from dlpo.rl.chain import GUIDE, ChainPolicy
from dlpo.rl.conditions import reach_of
from dlpo.rl.prompts import Prompt
from dlpo.text import TextFrontEnd

TEXTS = (
    "The ferry leaves at seven, and the last train waits for it.",
    "Is there anything left of the soup?",
    "Nobody had told the children why the school was closed.",
    "Turn left at the bakery.",
)
DRAWS = (2, 4, 8, 16, 32, 64)
Losses = NDArray[np.float64]


def shares(losses: Losses, own_noise: bool) -> tuple[float, float]:
    """Variance of the sample, and of what a single draw adds to a difference of two seeds.

    Args:
        losses: (draws, G) of one sentence.
        own_noise: whether each seed had noise of its own.
    """
    draws, group = losses.shape
    left = losses - losses.mean(0)
    degrees = group * (draws - 1)
    if not own_noise:
        left = left - left.mean(1, keepdims=True)
        degrees = (group - 1) * (draws - 1)
    noise = float((left**2).sum() / degrees)
    return float(losses.mean(0).var(ddof=1)) - noise / draws, noise


def main(
    checkpoint: Annotated[Path, typer.Option(exists=True)] = Path("voices/spectral/checkpoint"),
    schedule: Annotated[str, typer.Option()] = "cosine:1.25",
    steps: Annotated[int, typer.Option(min=2)] = 3,
    eta: Annotated[float, typer.Option()] = 0.7,
    group: Annotated[int, typer.Option(min=2, help="Seeds of each sentence.")] = 8,
    draws: Annotated[int, typer.Option(min=2, help="Draws of each seed.")] = 8,
) -> None:
    """Print the share by step and number of draws, with own noise and with shared noise."""
    torch.manual_seed(0)
    model = load_checkpoint(checkpoint).model.eval()
    front_end, prompts = TextFrontEnd(), []
    for number, text in enumerate(TEXTS):
        (sentence,) = front_end.process(text).sentences
        prompts.append(Prompt(number, text, np.array(sentence.symbol_ids())))
    policy = ChainPolicy(model, named_schedule(schedule, steps, eta), reach_of(model, prompts[0]))
    found: dict[str, list[list[tuple[float, float]]]] = {"own": [], "shared": [], "opposite": []}
    with torch.no_grad():
        for prompt in prompts:
            rollout = policy.draw([prompt], (0, 0), group)
            scored = range(len(rollout.scored))
            apart, shared = (
                policy.errors_at(seeds, rollout.scored, 2 * draws, GUIDE).double().numpy()
                for seeds in (replace(rollout, group=1), rollout)
            )
            both = (shared[::2] + shared[1::2]) / 2  # draws come with their negatives
            found["own"].append([shares(apart[::2, s], True) for s in scored])
            found["shared"].append([shares(shared[::2, s], False) for s in scored])
            found["opposite"].append([shares(both[:, s], False) for s in scored])
    typer.echo("noise\tstep\t" + "\t".join(f"K = {k}" for k in DRAWS))
    for name, sentences in found.items():
        of_step, counts = np.mean(sentences, axis=0), np.array(DRAWS)
        counts = counts / 2 if name == "opposite" else counts
        for step, (sample, noise) in zip(rollout.scored, of_step, strict=True):
            row = [f"{share:.3f}" for share in sample / (sample + noise / counts)]
            typer.echo(f"{name}\t{step}\t" + "\t".join(row))


if __name__ == "__main__":
    typer.run(main)
