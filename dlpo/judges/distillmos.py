"""DistillMOS: naturalness by a small network distilled from XLS-R; weights in its wheel (MIT).

Reference: Stahl and Gamper, Distillation and Pruning for Scalable Self-Supervised
Representation-Based Speech Quality Assessment, ICASSP 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlpo.errors import CheckpointError, needs
from dlpo.judges.judge import Scores, Waveform, listen_at, load_torch_weights, without_torchaudio

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = Path("weights") / "distill_mos_v7.pt"  # in the package


class DistillMOS:
    """Scores 1..5. It can be fooled (a buzz scores 3.5): compare it with other judges."""

    name = "DistillMOS"
    sample_rate_hz = 16_000
    takes_bfloat16 = True

    def __init__(self) -> None:
        """Load the network and its weights.

        Raises:
            MissingExtraError: distillmos or torch is not installed.
            CheckpointError: the weights in the wheel are damaged.
        """
        with needs("bench"), without_torchaudio():  # it names it for its command line alone
            import distillmos
        package: Any = distillmos
        weights = load_torch_weights(Path(package.__path__[0]) / WEIGHTS)
        self.network = package.ConvTransformerSQAModel(load_weights=False)
        try:
            self.network.load_state_dict(weights["model"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"distillmos: its weights don't fit its network ({error}); install it again"
            ) from error
        self.network.eval().requires_grad_(False)

    def score(self, waveforms: Sequence[Waveform], sample_rate_hz: int) -> Scores:
        """See `Judge.score`. Windows of 7.68 s, a shorter clip padded with zeros."""
        import torch

        with torch.inference_mode():
            return np.array(
                [
                    float(self.network(torch.from_numpy(waveform)[None]))
                    for waveform in listen_at(self.sample_rate_hz, waveforms, sample_rate_hz)
                ]
            )

    def score_with_gradient(self, waveform: Tensor, text: str) -> Tensor:
        """See `GradientJudge`; the text doesn't matter."""
        score: Tensor = self.network(waveform[None])
        return score.reshape(())
