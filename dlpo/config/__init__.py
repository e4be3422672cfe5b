"""Configurations: frozen dataclasses, read strictly from JSON values and written back unchanged."""

from dlpo.config.models import (
    BASE,
    LARGE,
    LITE,
    SPECTRAL,
    AcousticConfig,
    ContourConfig,
    LiteConfig,
    Parametrisation,
    SpectralConfig,
    WaveGrad2Config,
)
from dlpo.config.strict import check_ranges, from_dict, to_dict
from dlpo.config.training import (
    BASE_TRAINING,
    LARGE_TRAINING,
    ContourTraining,
    RunConfig,
    SpectralTraining,
    Subspace,
    TrainingConfig,
    TuningConfig,
    WaveGrad2Training,
)

__all__ = [
    "BASE",
    "BASE_TRAINING",
    "LARGE",
    "LARGE_TRAINING",
    "LITE",
    "SPECTRAL",
    "AcousticConfig",
    "ContourConfig",
    "ContourTraining",
    "LiteConfig",
    "Parametrisation",
    "RunConfig",
    "SpectralConfig",
    "SpectralTraining",
    "Subspace",
    "TrainingConfig",
    "TuningConfig",
    "WaveGrad2Config",
    "WaveGrad2Training",
    "check_ranges",
    "from_dict",
    "to_dict",
]
