"""Configurations: frozen dataclasses, read strictly from JSON values and written back unchanged.

Kept apart, since a server reads only its manifest by them: models, training, strict.
"""

from typing import Literal

Parametrisation = Literal["x0", "eps", "v"]  # what a denoiser predicts; see dlpo.diffusion
