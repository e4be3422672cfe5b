"""DistillMOS: naturalness by a small network distilled from XLS-R; weights in its wheel (MIT).

Reference: Stahl and Gamper, Distillation and Pruning for Scalable Self-Supervised
Representation-Based Speech Quality Assessment, ICASSP 2025.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dlpo.errors import CheckpointError, needs
from dlpo.judges.judge import WaveformJudge, load_torch_weights, without_torchaudio

WEIGHTS = Path("weights") / "distill_mos_v7.pt"  # in the package


class DistillMOS(WaveformJudge):
    """Scores 1..5. It can be fooled (a buzz scores 3.5): compare it with other judges.

    It listens in windows of 7.68 s; a shorter clip is padded with zeros.
    """

    name = "DistillMOS"
    window = 122_880

    def __init__(self) -> None:
        """Load the network and its weights.

        Raises:
            MissingExtraError: distillmos or torch is not installed.
            CheckpointError: the weights in the wheel are damaged.
        """
        with needs("bench"), without_torchaudio():  # only its command line uses it
            import distillmos
        package: Any = distillmos
        weights = load_torch_weights(Path(package.__path__[0]) / WEIGHTS)
        self.network = package.ConvTransformerSQAModel(load_weights=False)
        try:
            self.network.load_state_dict(weights["model"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"distillmos: its weights don't match its network ({error}); reinstall it"
            ) from error
        self.network.eval().requires_grad_(False)
