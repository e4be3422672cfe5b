"""Listeners' preferences of pitch: Diffusion-DPO on the contours of two renderings.

    L = -E log sigmoid(-beta_p (e(c_w) - e_start(c_w) - e(c_l) + e_start(c_l))) + beta DL

    c_w, c_l  the contours that the preferred rendering and the other one were spoken with, tracked
              in their audio
    e         the flow's own training loss on a contour, on noise and times that the two share
    DL        the diffusion loss on recordings, the anchor

People hear pitch, judges of naturalness don't (docs/tuning.md), so their choices are what such a
voice can learn from beyond rules. beta_p multiplies the difference of mean squared errors as it is:
the paper's weights T w(lambda) are in it, and the code that was released with the paper has beta/2
there, so that its number is halved for the same loss here.

Reference: Wallace et al. 2024 (arXiv 2311.12908), eq. 14.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from dlpo.checkpoint import PITCH_PAIRS
from dlpo.config.tuning import PitchPairsTuning
from dlpo.data.dataset import Corpora
from dlpo.data.preferences import PreferencePair
from dlpo.errors import DataError
from dlpo.rl.core.flow import FlowDraws
from dlpo.rl.core.method import Method, Sample, TuningSetup, UpdateBatch
from dlpo.rl.core.objective import Objective
from dlpo.rl.pitch_conditioning import PitchBatch
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.rl.pitch_tuner import PitchTuner
from dlpo.rl.preferences import ContourPair, heard_pairs
from dlpo.rl.prompts import draw_share
from dlpo.training.processes import Processes

MEASURED_DRAWS = 16  # of noise and time, for a pair in validation


class PairsCollector:
    """Draws the pairs of an update, with its noise.

    Args:
        policy: whose conditions they have.
        pairs: to learn from.
        settings: how many; the seed.
        processes: share them.
    """

    def __init__(
        self,
        policy: PitchFlow,
        pairs: Sequence[ContourPair],
        settings: PitchPairsTuning,
        processes: Processes,
    ) -> None:
        self.policy = policy
        self.pairs = pairs
        self.settings = settings
        self.processes = processes

    def collect(self, update: int) -> FlowDraws[PitchBatch]:
        """This process's share of an update's pairs."""
        settings, processes = self.settings, self.processes
        key, ranks = (settings.seed, update), (processes.rank, processes.count)
        numbers = draw_share(key, len(self.pairs), settings.pairs, *ranks)
        return self.paired([self.pairs[number] for number in numbers], update)

    def paired(self, pairs: Sequence[ContourPair], update: int) -> FlowDraws[PitchBatch]:
        """Some pairs, winners first, on the noise of an update."""
        rows = [torch.stack([pair.winner, pair.loser]).movedim(-1, 0) for pair in pairs]
        contours = pad_sequence(rows, batch_first=True).movedim(1, -1)  # (B, 2, 2, P)
        prompts = [pair.prompt for pair in pairs]
        keys = tuple((self.settings.seed, update, prompt.number) for prompt in prompts)
        return FlowDraws(self.policy.conditions(prompts), contours, keys)


class PitchDPO(Method):
    """Diffusion-DPO of the pairs that its collector draws, and the diffusion loss on recordings."""

    def collect(self, update: int, logged: bool) -> UpdateBatch:
        pairs = self.setup.collector.collect(update)
        return UpdateBatch(update, {}, [Sample(1.0, pairs, torch.empty(0))])

    def terms(self, sample: Sample) -> dict[str, Tensor]:
        draws, beta = self.objective.matching_draws, self.objective.preference_beta
        margins = preference_margins(self.policy, self.setup.reference, sample.drawn, draws)
        return {"preference": preference_loss(margins, beta)}


def preference_margins(
    policy: PitchFlow, start: PitchFlow, pairs: FlowDraws[PitchBatch], draws: int
) -> Tensor:
    """How much more a policy's matching of the winner has improved than that of the loser.

    Args:
        start: the policy before tuning.
        pairs: two contours of each sentence, the winner first.
        draws: of noise and time.

    Returns:
        (K, B), 0 at the start, above 0 where the preferred rendering gained.
    """
    with torch.no_grad():
        before = start.matching_losses(pairs, draws)
    gains = before - policy.matching_losses(pairs, draws)
    return gains[:, ::2] - gains[:, 1::2]


def preference_loss(margins: Tensor, beta: float) -> Tensor:
    """(...,) margins -> (): -log sigmoid(beta margin), the mean; log 2 before tuning."""
    return -functional.logsigmoid(beta * margins).mean()


class PitchPairsTuner(PitchTuner):
    """One run on listeners' pairs, see `PitchTuner`.

    Args:
        pairs: from `read_pairs`; their voice is `settings.voice`.
        pairs_sha256: of their file and audio.
        objective: `preference_beta`, and beta of the diffusion loss.
        settings: everything else.

    Raises:
        DataError: no pair is usable, or none is left to learn from.
    """

    training: PitchPairsTuning

    def __init__(
        self,
        start: Path,
        data: Corpora,
        pairs: Sequence[PreferencePair],
        pairs_sha256: str,
        out: Path,
        objective: Objective,
        settings: PitchPairsTuning,
    ) -> None:
        super().__init__(start, data, out, settings)
        self.pairs_sha256 = pairs_sha256
        self.averaged_policy = PitchFlow(self.voice, copy.deepcopy(self.start.contour))
        heard = heard_pairs(pairs, self.start, settings.voice)
        self.learned = [pair for pair in heard if not pair.held_out]
        if not self.learned:
            raise DataError(
                f"all {len(heard)} usable pairs are of texts held out for validation; collect"
                " answers on more texts"
            )
        self.collector = PairsCollector(self.policy, self.learned, settings, self.processes)
        validated = [pair for pair in heard if pair.held_out]
        self.validated = self.collector.paired(validated, 0) if validated else None
        setup = TuningSetup(
            replace(objective, matching_draws=settings.times),
            self.policy,
            self.start,
            self.collector,
            recordings=self.recordings if objective.beta else None,
            joined=True,
        )
        weights = {"beta": objective.beta, "preference_beta": objective.preference_beta}
        described = {"pairs_sha256": pairs_sha256, "voice": settings.voice, **weights}
        self._learn(PitchDPO(setup), described)

    def _validate(self) -> Mapping[str, float | Tensor]:
        """The share of held-out texts' pairs that the policy agrees with, and the guide's loss."""
        self.averaged_policy.flow.load_state_dict(self.averaged_flow().state_dict())
        generator, policy = torch.Generator().manual_seed(0), self.averaged_policy
        loss = policy.diffusion_loss(self.held_out, generator, MEASURED_DRAWS, learns=False)
        figures = {"diffusion": loss.item()}
        if self.validated is not None:
            pairs = self.validated
            margins = preference_margins(policy, self.start, pairs, MEASURED_DRAWS).mean(0)
            figures["margin"] = margins.mean().item()
            figures["preferences_kept"] = (margins > 0).float().mean().item()
        return figures

    def _tuned_by(self) -> tuple[str, str]:
        return "dpo", f"{PITCH_PAIRS} {self.pairs_sha256[:12]}"
