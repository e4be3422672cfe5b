"""A small adversary that detects what a spectral distance forgives: over-smooth, buzzing speech.

The diffusion and STFT losses are smallest at an average of all plausible waveforms. Late in
training a discriminator on spectrograms pulls the denoiser from that average to one of them.

Reference: Jang et al. 2021 (UnivNet) for discriminators on several spectrogram resolutions;
Mao et al. 2017 for the squared loss; Kumar et al. 2019 (MelGAN) for feature matching. Here the
frequency bins are channels of 1-D convolutions, which one CPU can afford.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional

from dlpo.training.losses import Denoised

RESOLUTIONS = ((1024, 256, 256), (512, 128, 192), (256, 64, 128))  # window, hop, channels
SLOPE = 0.2
LOG_FLOOR = 0.1  # 40 dB below speech: no reward for the shape of silence
DECEPTION_SHARE = 0.7  # of the pull of the other losses on the last layer
FEATURE_WEIGHT = 0.3
HEARD = 2  # every second row: the adversary's update costs as much as the denoiser's


@dataclass(frozen=True, slots=True)
class DiscriminatorOutput:
    """Scores and activations of one resolution for a batch."""

    score: Tensor
    """(B, 1, L); 1 = recording, 0 = synthesis"""
    features: list[Tensor]
    """activations of the hidden layers"""


class SpectrogramDiscriminator(nn.Module):
    """(B, T) waveform -> output on its log-magnitude spectrogram."""

    def __init__(self, window: int, hop: int, channels: int) -> None:
        super().__init__()
        self.window = window
        self.hop = hop
        self.enter = nn.utils.parametrizations.weight_norm(
            nn.Conv1d(window // 2 + 1, channels, 3, padding=1)
        )
        self.hidden = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(
                nn.Conv1d(channels, channels, 5, padding=2 * d, dilation=d, groups=g)
            )
            for d, g in ((1, 1), (2, 4), (1, 1))
        )
        self.out = nn.Conv1d(channels, 1, 3, padding=1)

    def forward(self, waveform: Tensor) -> DiscriminatorOutput:
        with torch.autocast(waveform.device.type, enabled=False):
            taper = torch.hann_window(self.window, device=waveform.device)
            spectrum = torch.stft(
                waveform.float(), self.window, self.hop, window=taper, return_complex=True
            )
            x = torch.log(spectrum.abs() + LOG_FLOOR)
        features = []
        x = functional.leaky_relu(self.enter(x), SLOPE)
        for layer in self.hidden:
            features.append(x)
            x = functional.leaky_relu(layer(x), SLOPE)
        features.append(x)
        return DiscriminatorOutput(self.out(x).float(), features)


class Adversary(nn.Module):
    """(B, T) -> one `DiscriminatorOutput` per resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.judges = nn.ModuleList(SpectrogramDiscriminator(*shape) for shape in RESOLUTIONS)

    def forward(self, waveform: Tensor) -> list[DiscriminatorOutput]:
        return [judge(waveform) for judge in self.judges]


def adversary_loss(
    recorded: Sequence[DiscriminatorOutput], made: Sequence[DiscriminatorOutput]
) -> Tensor:
    """The adversary's loss: it should score recordings 1 and synthesis 0."""
    terms = [
        (1 - real.score).square().mean() + fake.score.square().mean()
        for real, fake in zip(recorded, made, strict=True)
    ]
    return torch.stack(terms).mean()


def deception_loss(made: Sequence[DiscriminatorOutput]) -> Tensor:
    """The denoiser's loss: its output should score as a recording, 1."""
    return torch.stack([(1 - fake.score).square().mean() for fake in made]).mean()


def balanced_weight(deception: Tensor, others: Tensor, last_layer: Tensor) -> Tensor:
    """The weight at which deception pulls `DECEPTION_SHARE` as hard as the other losses.

    A discriminator that easily tells the two apart has gradients of any size; at the weights of the
    last layer they become comparable.

    Returns:
        A detached scalar.

    Reference: Esser et al. 2021 (VQGAN), eq. 7.
    """
    pull, others_pull = (
        torch.autograd.grad(loss, last_layer, retain_graph=True)[0].norm()
        for loss in (deception, others)
    )
    weight: Tensor = DECEPTION_SHARE * others_pull / pull.clamp(min=1e-8)
    return weight.detach()


def feature_loss(
    recorded: Sequence[DiscriminatorOutput], made: Sequence[DiscriminatorOutput]
) -> Tensor:
    """L1 between the hidden activations for a recording and for its re-synthesis."""
    terms = [
        functional.l1_loss(b.float(), a.detach().float())
        for real, fake in zip(recorded, made, strict=True)
        for a, b in zip(real.features, fake.features, strict=True)
    ]
    return torch.stack(terms).mean()


class AdversarialTrainer:
    """The adversary, its optimizer, and the losses of both sides.

    Args:
        accelerator: prepares them; their state is saved and loaded with the run's.
        learning_rate: of the adversary.
        clip: largest norm of its gradient.
    """

    def __init__(self, accelerator: Accelerator, learning_rate: float, clip: float) -> None:
        adversary = Adversary()
        optimizer = torch.optim.AdamW(adversary.parameters(), learning_rate, (0.8, 0.99))
        self.accelerator = accelerator
        self.clip = clip
        self.adversary, self.optimizer = accelerator.prepare(adversary, optimizer)

    def generator_losses(
        self, denoised: Denoised, others: Tensor, last_layer: Tensor
    ) -> dict[str, Tensor]:
        """The denoiser's losses for not passing as a recording.

        Args:
            denoised: its predictions and the recordings.
            others: () its other losses, which these must not outweigh.
            last_layer: the denoiser's weights at which the gradients are compared; its predictions
                if it is frozen.
        """
        adversary = self.accelerator.unwrap_model(self.adversary).requires_grad_(False)
        with torch.no_grad():
            recorded = adversary(denoised.clean[::HEARD])
        made = adversary(denoised.x0[::HEARD])
        adversary.requires_grad_(True)
        deception = deception_loss(made)
        return {
            "deception": balanced_weight(deception, others, last_layer) * deception,
            "features": FEATURE_WEIGHT * feature_loss(recorded, made),
        }

    def discriminator_step(self, denoised: Denoised, learning_rate: float | None = None) -> float:
        """Update the adversary, at another learning rate if given, and return its loss."""
        if learning_rate is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate
        with self.accelerator.autocast():
            recorded = self.adversary(denoised.clean[::HEARD])
            made = self.adversary(denoised.x0.detach()[::HEARD])
            loss = adversary_loss(recorded, made)
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.adversary.parameters(), self.clip)
        self.optimizer.step()
        return loss.item()
