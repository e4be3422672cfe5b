"""What is asked: each variant differs from the recipe in one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from dlpo.config import LiteConfig, Parametrisation
from dlpo.diffusion import to_x0
from dlpo.model.emphasis import de_emphasise
from dlpo.model.lite import LiteWaveGrad2, Prosody
from dlpo.training.batches import Windows
from dlpo.training.losses import Denoised, denoiser_losses

X0_LIMIT = 6.0  # of a recording at the network's scale; bounds what an eps-prediction implies
FLAT_SCALE = 6.3  # brings the waveform without pre-emphasis to the spread that 12 brings it with
SURE = 1e-3  # least sigma or alpha that a loss is divided by


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to build or teach the denoiser."""

    name: str
    question: str
    """what it answers, as the table asks it"""
    config: Mapping[str, Any] = field(default_factory=dict)
    """fields of `LiteConfig` that differ"""
    source: bool = True
    """whether it hears the harmonic source"""
    told: Literal["both", "hidden", "mel"] = "both"
    """what it is conditioned on, beside F0 and voicing"""
    predicts: Parametrisation = "x0"
    """what its network says, and its L1 compares"""
    without: str | None = None
    """a term of `denoiser_losses` that is left out"""
    pre_emphasis: bool = True

    def configure(self, config: LiteConfig) -> LiteConfig:
        """The model's configuration, so changed."""
        return replace(config, **self.config)

    def windows(self, windows: Windows) -> Windows:
        """What it learns from: without pre-emphasis, undone, at the scale that suits it."""
        if self.pre_emphasis:
            return windows
        return replace(windows, waveform=de_emphasise(windows.waveform))

    def losses(self, model: AblatedLite, denoised: Denoised) -> dict[str, Tensor]:
        """Terms to minimise; L1 is that of what the network predicts."""
        terms = denoiser_losses(denoised, model.config.patch)
        if self.predicts != "x0":
            alpha = model.level_heard[:, None]
            sigma = (1 - alpha.square()).sqrt().clamp(min=SURE)
            weight = 1 / sigma if self.predicts == "v" else alpha / sigma
            terms["diffusion"] = ((denoised.x0 - denoised.clean).abs() * weight).mean()
        if self.without is not None:
            del terms[self.without]
        return terms


class AblatedLite(LiteWaveGrad2):
    """A `lite` with one thing changed; outwardly it predicts x0 like any other."""

    def __init__(self, config: LiteConfig, variant: Variant) -> None:
        super().__init__(config)
        self.variant = variant
        self.level_heard = torch.ones(1)
        """noise levels of the last call of `denoise`, which losses of v and eps weigh by"""

    def condition(self, upsampled: Tensor, prosody: Prosody, mel: Tensor) -> Tensor:
        """As in `LiteWaveGrad2`; what the variant isn't told is zero."""
        told = self.variant.told
        hidden = torch.zeros_like(upsampled) if told == "mel" else upsampled
        mel = torch.zeros_like(mel) if told == "hidden" else mel
        return super().condition(hidden, prosody, mel)

    def denoise(
        self, noisy: Tensor, noise_level: Tensor, conditioning: Tensor, source: Tensor
    ) -> Tensor:
        """As in `LiteWaveGrad2`; what the network predicts is turned into x0."""
        if not self.variant.source:
            source = torch.zeros_like(source)
        said = super().denoise(noisy, noise_level, conditioning, source)
        self.level_heard = noise_level
        if self.variant.predicts == "x0":
            return said
        x0 = to_x0(said, noisy, noise_level.clamp(min=SURE), self.variant.predicts)
        return x0.clamp(-X0_LIMIT, X0_LIMIT)

    def to_waveform(self, x0: Tensor) -> Tensor:
        """As in `LiteWaveGrad2`; there is nothing to undo without pre-emphasis."""
        return super().to_waveform(x0) if self.variant.pre_emphasis else x0 / self.config.scale


WIDE, NARROW = {"patch": 60, "up_factors": (5, 1)}, {"patch": 12, "up_factors": (5, 5)}
HALF = {"up_channels": (128, 64), "down_channels": (48, 64)}
VARIANTS = (
    Variant("recipe", "all as the voice has it"),
    Variant("no-source", "without the harmonic source", source=False),
    Variant("no-stft", "without the multi-resolution STFT loss", without="stft"),
    Variant("no-seam", "without the loss on seams between patches", without="seam"),
    Variant("predicts-v", "predicting v, L1 of v", predicts="v"),
    Variant("predicts-eps", "predicting eps, L1 of eps", predicts="eps"),
    Variant("hidden-only", "told hidden states alone, as WaveGrad 2", told="hidden"),
    Variant("mel-only", "told the mel alone", told="mel"),
    Variant("patch-12", "patches of 12 samples", NARROW),
    Variant("patch-60", "patches of 60 samples, one upsampling", WIDE),
    Variant("half-width", "a denoiser of half the width", HALF),
    Variant("no-pre-emphasis", "without pre-emphasis", {"scale": FLAT_SCALE}, pre_emphasis=False),
)
