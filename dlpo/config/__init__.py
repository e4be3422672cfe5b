"""Configurations: frozen dataclasses, read strictly from JSON values and written back unchanged."""

from dlpo.config.contour import ContourConfig, ContourTraining
from dlpo.config.models import (
    BASE,
    LARGE,
    LITE,
    SPECTRAL,
    LiteConfig,
    Parametrisation,
    SpectralConfig,
    WaveGrad2Config,
)
from dlpo.config.strict import from_dict, to_dict
from dlpo.config.training import (
    BASE_TRAINING,
    LARGE_TRAINING,
    SpectralTraining,
    TrainingConfig,
    WaveGrad2Training,
)
from dlpo.config.tuning import Subspace, TuningConfig

__all__ = [
    "BASE",
    "BASE_TRAINING",
    "LARGE",
    "LARGE_TRAINING",
    "LITE",
    "SPECTRAL",
    "ContourConfig",
    "ContourTraining",
    "LiteConfig",
    "Parametrisation",
    "SpectralConfig",
    "SpectralTraining",
    "Subspace",
    "TrainingConfig",
    "TuningConfig",
    "WaveGrad2Config",
    "WaveGrad2Training",
    "from_dict",
    "to_dict",
]
