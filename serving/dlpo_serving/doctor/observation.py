"""One thing that the doctor looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "absent", "problem"]


@dataclass(frozen=True, slots=True)
class Observation:
    """What was found, and what to run where it is not as it should be."""

    subject: str
    """such as `extra serve` or `engine cpu int8`"""
    state: State
    """absent is what isn't here and need not be; problem is what should be put right"""
    detail: str
    remedy: str = ""
    """a command, or a sentence; empty where nothing is to be done"""
