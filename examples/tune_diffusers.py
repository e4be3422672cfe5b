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

SIZE, STEPS, GROUP = 8, 8, 8  # pixels a side, reverse steps, images of a prompt


@dataclass
class Image:
    number: int  # all that is asked for; a model with text has a prompt here, too


class Pipeline(torch.nn.Module):  # the two methods that dlpo asks of a network
    parametrisation = "eps"

    def __init__(self, pipeline):
        super().__init__()
        self.unet, self.scheduler = pipeline.unet, pipeline.scheduler

    def condition(self, prompts):  # no inputs beside the noisy image, all pixels count
        return Conditions((), torch.ones(len(prompts), SIZE * SIZE))

    def denoise(self, noisy, level):  # (B, pixels) at sqrt(alpha_bar) -> the noise in them
        nearest = (self.scheduler.alphas_cumprod.sqrt() - level[:, None]).abs().argmin(1)
        images = noisy.view(-1, 1, SIZE, SIZE)
        return self.unet(images, nearest.expand(len(noisy))).sample.flatten(1)


def squares(number):  # what the network learned from: the diffusion loss keeps it near them
    gray = torch.rand(64, 1, generator=torch.Generator().manual_seed(number)) * 2 - 1
    inside = torch.ones(64, SIZE * SIZE)
    return RecordedSamples(Conditions((), inside), gray * inside)


def brightness(drawn):  # (B,) higher is better
    return drawn.output.view(-1, SIZE, SIZE)[:, :, : SIZE // 2].mean((1, 2)).clamp(-1, 1)


torch.manual_seed(0)
updates = int(sys.argv[1]) if sys.argv[1:] else 60
unet = UNet2DModel(
    sample_size=SIZE, in_channels=1, out_channels=1, block_out_channels=(16, 32),
    down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2, norm_num_groups=8,
)  # fmt: skip
pipeline = DDIMPipeline(unet, DDIMScheduler())
steps = torch.linspace(999, 60, STEPS).long()  # of the scheduler, noisiest first
levels = [*pipeline.scheduler.alphas_cumprod[steps].sqrt().tolist(), 1.0]
schedule = NoiseSchedule("ddim", torch.tensor(levels, dtype=torch.float64).numpy(), eta=1.0)
policy = ChainPolicy(Pipeline(pipeline).eval(), schedule, typical_samples=SIZE * SIZE)
recordings, images = PlainRecordings(squares), lambda n: [Image(n * 8 + i) for i in range(8)]
drawn = PlainCollector(policy, images, brightness, GROUP)
# To load a model takes the place of training it here, by the diffusion loss alone.
trained = TuningSetup(Objective("control"), policy, policy, drawn, recordings=recordings)
list(tune(Control(trained), torch.optim.Adam(policy.parameters(), 2e-3), 8 * updates))
objective, before = Objective("dlpo", beta=0.1, clip_range=0.1), copy.deepcopy(policy)
setup = TuningSetup(objective, policy, before, drawn, GROUP, recordings=recordings)
tuned = tune(DLPO(setup), torch.optim.Adam(policy.parameters(), 2e-4), updates)
rewards = [figures["reward"] for figures in tuned]
print(f"brightness {rewards[0]:.2f} before, {rewards[-1]:.2f} after {updates} updates")
