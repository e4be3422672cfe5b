"""Tune somebody else's diffusion model: a small pipeline of diffusers, by DLPO, on a CPU.

    python tune_diffusers.py [UPDATES]          needs dlpo, torch and diffusers

The network, made from a config, first learns gray squares; then the reward wants a bright left
half. Replace the pipeline by yours, `squares` by its data and `brightness` by your judge.
"""

import copy
import sys
from dataclasses import dataclass

import torch
from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel

from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.control import Control
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.conditions import Conditions
from dlpo.rl.core.loop import PlainCollector, PlainRecordings, tune
from dlpo.rl.core.method import TuningSetup
from dlpo.rl.core.objective import Objective
from dlpo.rl.core.policy import RecordedSamples
from dlpo.rl.dlpo import DLPO

SIZE, GROUP = 8, 8  # pixels a side, images of a prompt
BLOCKS = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}


@dataclass
class Image:
    number: int  # all that is asked for; a model with text has a prompt here, too


class Pipeline(torch.nn.Module):  # the two methods that dlpo asks of a network
    parametrisation = "eps"

    def __init__(self, pipeline):
        super().__init__()
        self.unet = pipeline.unet
        self.levels = pipeline.scheduler.alphas_cumprod.sqrt()

    def condition(self, prompts):  # no inputs beside the noisy image, all pixels count
        return Conditions((), torch.ones(len(prompts), SIZE * SIZE))

    def denoise(self, noisy, level):  # (B, pixels) at sqrt(alpha_bar) -> the noise in them
        timestep = (self.levels - level[:, None]).abs().argmin(1).expand(len(noisy))
        return self.unet(noisy.view(-1, 1, SIZE, SIZE), timestep).sample.flatten(1)


def squares(number):  # what the network learned from: the diffusion loss keeps it near them
    gray = torch.rand(64, 1, generator=torch.Generator().manual_seed(number)) * 2 - 1
    inside = torch.ones(64, SIZE * SIZE)
    return RecordedSamples(Conditions((), inside), gray * inside)


def brightness(drawn):  # (B,) of the left half, higher is better
    return drawn.output.view(-1, SIZE, SIZE)[:, :, : SIZE // 2].mean((1, 2)).clamp(-1, 1)


def main(updates=12):
    torch.manual_seed(0)
    unet = UNet2DModel(SIZE, 1, 1, block_out_channels=(16, 32), norm_num_groups=8, **BLOCKS)
    pipeline = DDIMPipeline(unet, DDIMScheduler())
    steps = torch.linspace(999, 60, 8).long()  # of the scheduler, noisiest first
    levels = torch.cat([pipeline.scheduler.alphas_cumprod[steps].sqrt(), torch.ones(1)])
    schedule = NoiseSchedule("ddim", levels.double().numpy(), eta=1.0)
    policy = ChainPolicy(Pipeline(pipeline).eval(), schedule, typical_samples=SIZE * SIZE)
    recordings, images = PlainRecordings(squares), lambda n: [Image(n * 8 + i) for i in range(8)]
    drawn = PlainCollector(policy, images, brightness, GROUP)
    control = TuningSetup(Objective("control"), policy, policy, drawn, recordings=recordings)
    list(tune(Control(control), torch.optim.Adam(policy.parameters(), 2e-3), 500))  # or load it
    objective, before = Objective("dlpo", beta=0.1, clip_range=0.1), copy.deepcopy(policy)
    setup = TuningSetup(objective, policy, before, drawn, GROUP, recordings=recordings)
    tuned = tune(DLPO(setup), torch.optim.Adam(policy.parameters(), 2e-4), updates)
    first, *_, last = (figures["reward"] for figures in tuned)
    print(f"brightness {first:.2f} before, {last:.2f} after {updates} updates")


main(*map(int, sys.argv[1:]))
