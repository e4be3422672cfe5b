"""`lite`: the embedded voice. WaveGrad 2's flow, nothing above 1.1 kHz inside.

    conditioning (once) -> denoiser on patches of 20 samples (once a step) -> x0

The denoiser predicts the clean, pre-emphasized waveform (x0) from a noisy one and from a harmonic
source at F0, so that it only has to learn a filter.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.config import Parametrisation
from dlpo.config.models import LiteConfig
from dlpo.model.acoustics import MEL_BANDS, AcousticModel, Prosody
from dlpo.model.blocks import (
    ConvBlock,
    DownBlock,
    Film,
    LevelEmbedding,
    UpBlock,
    conv,
    de_emphasise,
)


class LiteWaveGrad2(AcousticModel):
    """Encoder, frame predictors and denoiser of `lite`."""

    config: LiteConfig
    parametrisation: Parametrisation = "x0"
    uses_source = True
    x0_limit: float | None = None
    """bound of |x0| in each step of a chain"""

    def __init__(self, config: LiteConfig) -> None:
        super().__init__(config, lambda: ConvBlock(config.hidden_channels, 5, config.frame_dropout))
        c, d = config.hidden_channels, config.conditioning_channels
        self.conditioning_dropout = nn.Dropout1d(config.encoder_dropout)
        self.conditioning_in = conv(c + MEL_BANDS + 2, d, 3)
        self.conditioning_blocks = nn.Sequential(
            *(ConvBlock(d, 3, 0.0) for _ in range(config.conditioning_blocks))
        )

        (down0, down1), (up0, up1) = config.down_channels, config.up_channels
        e = config.level_channels
        self.level = LevelEmbedding(e, config.level_frequency)
        self.patch_in = conv(2 * config.patch, down0, 5)
        self.down = DownBlock(down0, down1, config.up_factors[1])
        self.up = nn.ModuleList(
            [UpBlock(d, up0, config.up_factors[0]), UpBlock(up0, up1, config.up_factors[1])]
        )
        self.film = nn.ModuleList([Film(down1, up0, e), Film(down0, up1, e)])
        self.patch_out = conv(up1, config.patch, 3)

    def freeze_acoustics(self) -> None:
        """Stop learning, and dropping out, in everything before the conditioning."""
        for name, module in self.named_children():
            if not name.startswith(("conditioning", "level", "patch", "down", "up", "film")):
                module.eval().requires_grad_(False)

    def condition(
        self, upsampled: Tensor, prosody: Prosody, mel: Tensor, voice: Tensor | None = None
    ) -> Tensor:
        hidden = self.conditioning_dropout(upsampled)
        pitch = torch.stack([prosody.log_f0 * prosody.voicing, prosody.voicing], dim=1)
        joined = torch.cat([hidden, mel.to(hidden.dtype), pitch.to(hidden.dtype)], dim=1)
        out: Tensor = self.conditioning_blocks(self.conditioning_in(joined))
        return out

    def denoise(
        self, noisy: Tensor, noise_level: Tensor, conditioning: Tensor, source: Tensor
    ) -> Tensor:
        batch, samples = noisy.shape
        patches = torch.cat(
            [x.view(batch, -1, self.config.patch) for x in (noisy, source)], dim=2
        ).transpose(1, 2)
        level = self.level(noise_level)
        fine = self.patch_in(patches)
        coarse = self.down(fine)
        x = conditioning
        for up, film, branch in zip(self.up, self.film, (coarse, fine), strict=True):
            x = up(x, *film(branch, level))
        x = self.patch_out(functional.leaky_relu(x, 0.2))
        x0: Tensor = x.transpose(1, 2).reshape(batch, samples).float()
        return x0

    def to_waveform(self, x0: Tensor) -> Tensor:
        """(B, T) as `denoise` predicts it -> (B, T) in [-1, 1] or so, as a listener hears it."""
        return de_emphasise(x0 / self.config.scale)
