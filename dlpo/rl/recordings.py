"""Windows of recordings for the methods that learn from them, split across processes, and the
losses that a `spectral` voice's training ended with, at the levels of a chain."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import Tensor

from dlpo.config.tuning import TuningConfig
from dlpo.diffusion import to_x0
from dlpo.errors import ConfigError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.method import RecordedPart
from dlpo.rl.core.policy import RecordedSamples
from dlpo.rl.recorded_windows import recording_cutter
from dlpo.training.adversary import AdversarialTrainer
from dlpo.training.batches import Batches
from dlpo.training.losses import Denoised, denoiser_losses
from dlpo.training.processes import Processes

WARM_UP_BATCHES = 1 << 32  # number of the first batch of an adversary's warm-up


class Recordings:
    """Draws windows of the train split; what batch k holds does not depend on earlier batches.

    Several processes learn what one would, except for the control's adversary and its spectral
    distance, relative to the mean of each process's own windows.

    Args:
        policy: what learns.
        batches: of the train split, the same for all processes.
        settings: windows per batch, and their length.
        processes: share each batch.
        frozen: whether everything before the denoiser is.

    Raises:
        ConfigError: no recordings, or windows that can't be split equally.
    """

    def __init__(
        self,
        policy: ChainPolicy,
        batches: Batches,
        settings: TuningConfig,
        processes: Processes,
        frozen: bool = True,
    ) -> None:
        if settings.window_batch % processes.count:
            raise ConfigError(
                f"window_batch is {settings.window_batch}; expected a multiple of the number"
                f" of processes, {processes.count}"
            )
        if not batches.recorded:
            raise ConfigError("the train split has no recordings; prepare a dataset with audio")
        self.policy = policy
        self.batches = batches
        self.settings = settings
        self.processes = processes
        self.cut = recording_cutter(policy.model, batches, frozen)
        self.adversary: AdversarialTrainer | None = None

    def add_adversary(self, accelerator: Accelerator) -> None:
        """Give the control's loss the adversary that training ended with."""
        rate, clip = self.settings.adversary_rate, self.settings.gradient_clip
        self.adversary = AdversarialTrainer(accelerator, rate, clip)

    def supervised_loss(self, part: RecordedPart) -> Tensor:
        """(): the control's loss, with its adversary if there is one."""
        return supervised_loss(self.policy, part, self.adversary)

    def part(self, number: int) -> RecordedPart:
        """This process's share of batch `number`; before the first, the adversary is trained."""
        if self.adversary is not None and number == 0:
            self._warm_up(self.adversary)
        return self.draw(number)

    def draw(self, number: int, share: tuple[int, int] | None = None) -> RecordedPart:
        """A share of batch `number`, by default this process's."""
        rank, ranks = share or (self.processes.rank, self.processes.count)
        size, window = self.settings.window_batch, self.settings.window
        places = self.batches.places(number, size, window)[rank::ranks]
        generator = torch.Generator().manual_seed(self.batches.key[0] * 1_000_003 + number)
        return RecordedPart(self.cut(places, window, (rank, ranks)), generator)

    def _warm_up(self, adversary: AdversarialTrainer) -> None:
        """Teach the adversary to tell recordings from the untuned policy's outputs."""
        for i in range(self.settings.adversary_warm_up):
            with torch.no_grad():
                part = self.draw(WARM_UP_BATCHES + i)
                denoised = denoise_recorded(self.policy, part.windows, part.generator)
            adversary.discriminator_step(denoised)


def denoise_recorded(
    policy: ChainPolicy, recorded: RecordedSamples, generator: torch.Generator
) -> Denoised:
    """The policy's predictions of x_0 from noised recordings, and the recordings."""
    prediction, noisy, level, _ = policy.predict_recorded(recorded, generator)
    return Denoised(to_x0(prediction, noisy, level, policy.model.parametrisation), recorded.clean)


def supervised_loss(
    policy: ChainPolicy, part: RecordedPart, adversary: AdversarialTrainer | None = None
) -> Tensor:
    """(): the diffusion loss and the spectral distance, or of WaveGrad 2 the diffusion loss alone.

    Args:
        adversary: takes its own step first, then adds its losses; None for no adversary. Not
            for WaveGrad 2.
    """
    model = policy.model
    if not isinstance(model, SpectralWaveGrad2):
        return policy.diffusion_loss(part.windows, part.generator)
    denoised = denoise_recorded(policy, part.windows, part.generator)
    loss = torch.stack(list(denoiser_losses(denoised).values())).sum()
    if adversary is None:
        return loss
    adversary.discriminator_step(denoised)
    weight = model.spectrum_out.weight
    last = weight if weight.requires_grad else denoised.x0
    against = adversary.generator_losses(denoised, loss, last)
    return loss + torch.stack(list(against.values())).sum()
