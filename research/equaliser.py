"""`dlpo tune` that explores a static equaliser instead of the prosody: what 24 gains of fixed bands
gain from a judge must not pass for better speech.

    python -m research.equaliser tune ...     # options of `dlpo tune --explore weights`

Scaling what the denoiser predicts of a bin, filters and free part alike, scales that bin of the
output of a one-step chain, up to the overlap of neighboring windows.
"""

from __future__ import annotations

from unittest.mock import patch

import torch

from dlpo.cli import app
from dlpo.errors import ConfigError
from dlpo.model.build import Model
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.prosody_moves import Move

BANDS, LOWEST_HZ = 24, 100.0
GAIN = 2.0  # change of a band per unit of its coordinate


def equaliser_moves(model: Model) -> list[Move]:
    """A gain for each of 24 overlapping bands, equally wide in log frequency.

    Raises:
        ConfigError: the model doesn't predict spectra.
    """
    if not isinstance(model, SpectralWaveGrad2):
        raise ConfigError("expected a spectral model: an equaliser acts on the bins it predicts")
    places = model.dft.frequency
    hertz = torch.minimum(places, model.dft.size - places) * (
        model.config.sample_rate_hz / model.dft.size
    )
    octaves = (hertz.clamp(min=LOWEST_HZ) / LOWEST_HZ).log2()
    centres = torch.linspace(0, float(octaves.max()), BANDS)
    shares = (
        (1 - (octaves - centres[:, None]).abs() / centres[1]).clamp(min=0).repeat(1, model.parts)
    )
    weight, bias = model.spectrum_out.weight, model.spectrum_out.bias
    with torch.no_grad():
        return [
            [(weight, GAIN * share[:, None] * weight), (bias, GAIN * share * bias)]
            for share in shares
        ]


if __name__ == "__main__":
    with patch("dlpo.rl.tuner.prosody_moves", equaliser_moves):
        app()
