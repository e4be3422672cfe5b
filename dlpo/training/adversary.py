"""A small adversary that hears what a spectral distance forgives: over-smooth, buzzing speech.

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
from torch import Tensor, nn
from torch.nn import functional

RESOLUTIONS = ((1024, 256, 256), (512, 128, 192), (256, 64, 128))  # window, hop, channels
SLOPE = 0.2
LOG_FLOOR = 0.1  # 40 dB below speech: no reward for the shape of silence
DECEPTION_SHARE = 0.7  # of the pull of the other losses on the last layer
FEATURE_WEIGHT = 0.3


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one resolution thinks of a batch."""

    score: Tensor
    """(B, 1, L); 1 = recording, 0 = synthesis"""
    features: list[Tensor]
    """activations of the hidden layers"""


class SpectrogramDiscriminator(nn.Module):
    """(B, T) waveform -> opinion on its log-magnitude spectrogram."""

    def __init__(self, window: int, hop: int, channels: int) -> None:
        super().__init__()
        self.window, self.hop = window, hop
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

    def forward(self, waveform: Tensor) -> Opinion:
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
        return Opinion(self.out(x).float(), features)


def heard(waveforms: Tensor) -> Tensor:
    """(B, T) -> (B / 2, T): the rows that the adversary is played; it costs as much as the rest."""
    return waveforms[::2]


class Adversary(nn.Module):
    """(B, T) -> one `Opinion` a resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.judges = nn.ModuleList(SpectrogramDiscriminator(*shape) for shape in RESOLUTIONS)

    def forward(self, waveform: Tensor) -> list[Opinion]:
        return [judge(waveform) for judge in self.judges]


def adversary_loss(recorded: Sequence[Opinion], made: Sequence[Opinion]) -> Tensor:
    """What the adversary minimises: 1 for recordings, 0 for synthesis."""
    terms = [
        (1 - real.score).square().mean() + fake.score.square().mean()
        for real, fake in zip(recorded, made, strict=True)
    ]
    return torch.stack(terms).mean()


def deception_loss(made: Sequence[Opinion]) -> Tensor:
    """What the denoiser minimises: to be taken for a recording."""
    return torch.stack([(1 - fake.score).square().mean() for fake in made]).mean()


def balanced_weight(deception: Tensor, others: Tensor, last_layer: Tensor) -> Tensor:
    """The weight at which deception pulls `DECEPTION_SHARE` as hard as the other losses.

    A discriminator that tells the two apart with ease has gradients of any size; measured at the
    weights of the last layer they can be compared.

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


def feature_loss(recorded: Sequence[Opinion], made: Sequence[Opinion]) -> Tensor:
    """L1 between the hidden activations for a recording and for its re-synthesis."""
    terms = [
        functional.l1_loss(b.float(), a.detach().float())
        for real, fake in zip(recorded, made, strict=True)
        for a, b in zip(real.features, fake.features, strict=True)
    ]
    return torch.stack(terms).mean()
