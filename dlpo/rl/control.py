"""The control: continued supervised training, without a reward.

    minimize  DL                                            on recordings, at the policy's levels

A model whose training ended with other losses has these instead (`TuningSetup.supervised`; of
`spectral` voices see `dlpo.rl.recordings`). The control takes as many updates at the same rate
as a method and sees the same levels: no method may claim what the control also gains. Weighted by
beta, the same loss guides `direct`.

It needs: recordings. What the policy draws is for the log only.
"""

from __future__ import annotations

from types import MappingProxyType

from dlpo.rl.core.method import Method
from dlpo.rl.core.objective import Objective


class Control(Method):
    """Learns from recordings alone."""

    supervised = True
    fixed = MappingProxyType({"beta": 1.0})

    @classmethod
    def needs_recordings(cls, objective: Objective) -> bool:
        return True
