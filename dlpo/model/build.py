"""Builds models from their configurations."""

from __future__ import annotations

from typing import Any, overload

from dlpo.config.models import BASE, LARGE, MINI, SPECTRAL, SpectralConfig, WaveGrad2Config
from dlpo.config.strict import from_dict
from dlpo.errors import ConfigError
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.model.wavegrad2 import WaveGrad2

ModelConfig = SpectralConfig | WaveGrad2Config
Model = SpectralWaveGrad2 | WaveGrad2
CONFIGS: dict[str, ModelConfig] = {
    "spectral": SPECTRAL,
    "mini": MINI,
    "base": BASE,
    "large": LARGE,
}


def model_config(values: dict[str, Any]) -> ModelConfig:
    """The configuration that a checkpoint's JSON describes.

    Raises:
        ConfigError: an unknown model, key or value.
    """
    name = values.get("model")
    if name not in CONFIGS:
        raise ConfigError(f"model is {name!r}; expected one of {list(CONFIGS)}")
    return from_dict(type(CONFIGS[name]), values)


@overload
def build_model(config: SpectralConfig) -> SpectralWaveGrad2: ...
@overload
def build_model(config: WaveGrad2Config) -> WaveGrad2: ...
def build_model(config: ModelConfig) -> Model:
    """A model with random weights."""
    if isinstance(config, SpectralConfig):
        return SpectralWaveGrad2(config)
    return WaveGrad2(config)
