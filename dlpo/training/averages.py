"""The average of a run's weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def warm_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential average for `AveragedModel` that forgets its random start quickly."""

    def update(averaged: Any, current: Any, count: Any) -> None:
        taken = int(count)
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + taken) / (10 + taken)))

    return update
