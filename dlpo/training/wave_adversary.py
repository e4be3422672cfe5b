"""An adversary that sees phase and periods, for seven times the work of the small one.

Discriminators on the waveform folded at prime periods see whether voices are too periodic; those on
complex spectra see whether bursts and noise have the structure of speech.

Reference: Kong et al. 2020 (HiFi-GAN) for folding at periods, Défossez et al. 2022 (EnCodec) for
complex spectra of several resolutions; both have more channels.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from dlpo.training.adversary import SLOPE, DiscriminatorOutput

PERIODS = (2, 3, 5, 7, 11)  # samples
PERIOD_CHANNELS = (16, 32, 128, 256)
WINDOWS = (1024, 512, 256)  # samples; a hop is a quarter
SPECTRUM_CHANNELS = 16
COMPRESSION = 0.3  # exponent of magnitudes, so that soft noise is seen beside loud harmonics
FLOOR = 1e-3  # of magnitudes


class PeriodDiscriminator(nn.Module):
    """(B, T) waveform -> output on its samples folded into rows of ``period``."""

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period
        widths = (1, *PERIOD_CHANNELS)
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 1), (3, 1), padding=(2, 0)))
            for a, b in pairwise(widths)
        )
        last = PERIOD_CHANNELS[-1]
        self.layers.append(weight_norm(nn.Conv2d(last, last, (5, 1), padding=(2, 0))))
        self.out = weight_norm(nn.Conv2d(last, 1, (3, 1), padding=(1, 0)))

    def forward(self, waveform: Tensor) -> DiscriminatorOutput:
        missing = -waveform.shape[1] % self.period
        padded = functional.pad(waveform[:, None], (0, missing), "reflect")
        rows = padded.view(len(padded), 1, -1, self.period)
        return _through(self.layers, self.out, rows)


class ComplexSpectrumDiscriminator(nn.Module):
    """(B, T) waveform -> output on its complex spectrogram, magnitudes compressed."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        c = SPECTRUM_CHANNELS
        self.layers = nn.ModuleList([weight_norm(nn.Conv2d(2, c, (3, 9), padding=(1, 4)))])
        for dilation in (1, 2, 4):
            padding = (dilation, 4)
            self.layers.append(weight_norm(nn.Conv2d(c, c, (3, 9), (1, 2), padding, (dilation, 1))))
        self.layers.append(weight_norm(nn.Conv2d(c, c, 3, padding=1)))
        self.out = weight_norm(nn.Conv2d(c, 1, 3, padding=1))

    def forward(self, waveform: Tensor) -> DiscriminatorOutput:
        with torch.autocast(waveform.device.type, enabled=False):
            taper = torch.hann_window(self.window, device=waveform.device)
            spectrum = torch.stft(
                waveform.float(), self.window, self.window // 4, window=taper, return_complex=True
            )
            parts = torch.view_as_real(spectrum).permute(0, 3, 2, 1)  # (B, 2, L, bins)
            size = parts.square().sum(1, keepdim=True).clamp(min=FLOOR**2).sqrt()
            x = parts * size ** (COMPRESSION - 1)
        return _through(self.layers, self.out, x)


class WaveAdversary(nn.Module):
    """(B, T) -> one `DiscriminatorOutput` per period and per window."""

    def __init__(self) -> None:
        super().__init__()
        self.judges = nn.ModuleList(
            [
                *(PeriodDiscriminator(period) for period in PERIODS),
                *(ComplexSpectrumDiscriminator(window) for window in WINDOWS),
            ]
        )

    def forward(self, waveform: Tensor) -> list[DiscriminatorOutput]:
        return [judge(waveform) for judge in self.judges]


def _through(layers: nn.ModuleList, out: nn.Module, x: Tensor) -> DiscriminatorOutput:
    features = []
    for layer in layers:
        x = functional.leaky_relu(layer(x), SLOPE)
        features.append(x)
    return DiscriminatorOutput(out(x).flatten(1)[:, None].float(), features)
