"""AWM, advantage-weighted matching: the training loss on own samples, weighted by advantages.

    minimize  alpha mean_g A_g e(x^g)  +  beta DL  +  kl |v - v_start|^2

    symbol   here             meaning
    x^g      drawn            G samples of a prompt, drawn by the policy that acts
    A_g      advantages       how much better x^g was than the others of its prompt; signed
    e        matching_losses  the policy's own training loss on x^g: of the noise that a denoiser
                              predicts, or of a flow's velocity; mean over K draws of noise and
                              level (or time), which the G samples share, so that what they have in
                              common cancels
    DL       recorded_loss    the same loss on recordings: DLPO's diffusion loss, the anchor
    v        divergence       squared distance of the predictions from those before tuning

Lowering e of a sample makes it likelier, so the gradient is a policy gradient with -e in place of
log p, which needs neither a density nor a chain of states, and reaches the noiseless last step too.
On a flow it is DLPO (`dlpo.rl.dlpo`). RWR is the same with weights exp(r / tau) / Z.

Where A is negative only `error_bound` bounds e (`dlpo.rl.core.matching.bounded`). No ratio corrects
further steps on the same samples, so that these need an anchor: beta > 0 or kl > 0.

It needs: a policy that draws, rewards of two or more draws of a prompt, recordings if beta > 0.

Reference: Xue et al. 2025 (arXiv 2509.25050).
"""

from __future__ import annotations

from torch import Tensor

from dlpo.rl.core.matching import matching_terms
from dlpo.rl.core.method import RolloutMethod, Sample
from dlpo.rl.core.objective import Objective


class AWM(RolloutMethod):
    """AWM of a chain's output or a flow's sample."""

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        return objective.beta > 0

    @classmethod
    def needs_one_pass(cls, objective: Objective, steps: int) -> bool:
        return objective.beta == objective.matching_kl == 0

    def terms(self, sample: Sample) -> dict[str, Tensor]:
        objective = self.objective
        return matching_terms(
            self.policy, self.setup.reference, sample.drawn, sample.advantages, objective,
            objective.alpha,
        )  # fmt: skip
