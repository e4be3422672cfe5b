"""The average of a run's weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def warm_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential average for `AveragedModel` that forgets its random start quickly.

    Whole numbers, such as a batch norm's count of batches, are taken over as they are.
    """

    def update(averaged: Any, current: Any, count: Any) -> None:
        if not averaged[0].is_floating_point():  # all of one kind
            torch._foreach_copy_(averaged, current)
            return
        taken = int(count)
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + taken) / (10 + taken)))

    return update
