"""DDPO, denoising diffusion policy optimization: the chain's policy gradient, clipped as by PPO.

    minimize  -mean_b sum_k min(rho A, clip(rho) A),   rho = p_theta / p_old (x_{k+1} | x_k, c)

    symbol   here                 meaning
    A        advantages (B,)      of the reward among the seeds of a sentence
    rho      importance_ratio     clipped to 1 +- `clip_range`

Every step of a chain gets the same A, since only the finished output is judged. It is DLPO
(`dlpo.rl.dlpo`) with alpha = 1 and beta = 0, in value and gradient, and has no code of its own.

It needs: a chain with noisy steps, rewards of two or more seeds of a sentence.

Reference: Black et al. 2024 (arXiv 2305.13301), DDPO-IS; Schulman et al. 2017 for the clipping.
"""

from __future__ import annotations

from types import MappingProxyType

from dlpo.rl.dlpo import DLPO


class DDPO(DLPO):
    """DLPO with alpha = 1 and beta = 0."""

    fixed = MappingProxyType({"alpha": 1.0, "beta": 0.0, "guide": "return"})
