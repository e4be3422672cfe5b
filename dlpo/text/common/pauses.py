"""Pauses that a writer asks for, in seconds."""

from __future__ import annotations

LONGEST_S = 10.0  # of one
STRENGTHS = {
    "none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 0.8, "x-strong": 1.2,
}  # fmt: skip
