"""Configurations: frozen dataclasses, read strictly from JSON values and written back unchanged.

Kept in separate modules (models, training, strict), since a server only reads its manifest.
"""

from typing import Literal

Parametrisation = Literal["x0", "eps", "v"]  # what a denoiser predicts; see dlpo.diffusion
