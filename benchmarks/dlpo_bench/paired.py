"""Paired comparison: do two systems differ on the same sentences, and how surely?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo_bench.bootstrap import Estimate, ratio_of_sums

EXACT = 13  # sentences up to which all 2^n sign patterns are tried
PATTERNS = 20_000  # drawn where there are more
SIGNIFICANT = 0.05
Differences = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Paired:
    """How much more one system has than another, sentence by sentence."""

    difference: Estimate
    """mean difference and its 95 % bootstrap interval over sentences"""
    p: float
    """of a difference at least as large, either way, if the two were alike"""
    sentences: int
    """that both were judged on"""

    @property
    def decided(self) -> bool:
        """The interval leaves zero out and the test agrees: with few sentences the interval alone
        is too narrow."""
        away = self.difference.low > 0 or self.difference.high < 0
        return away and self.p < SIGNIFICANT


def paired(differences: Differences, weights: Differences | None = None) -> Paired:
    """Compare two systems.

    Args:
        differences: (sentences,) value of one system minus that of the other.
        weights: (sentences,) what each difference is counted out of; differences of error counts
            over numbers of words make a difference of pooled rates. 1 each if None.
    """
    n = len(differences)
    under = np.ones(n) if weights is None else weights
    return Paired(ratio_of_sums(differences, under), sign_flip_p(differences), n)


def sign_flip_p(differences: Differences, seed: int = 0) -> float:
    """Two-sided p of the sign-flip permutation test.

    If two systems are alike, each difference is as likely with the other sign: p is the share of
    sign patterns whose sum is at least as far from zero. Exact for up to 13 sentences; else drawn,
    with the observed pattern counted in, so that p is never 0.

    Reference: Phipson and Smyth, Permutation P-values Should Never Be Zero, 2010.
    """
    n = len(differences)
    if n <= EXACT:
        signs = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        signs = 1.0 - 2.0 * np.random.default_rng(seed).integers(2, size=(PATTERNS, n))
    sums = np.abs(signs @ differences)
    observed = abs(differences.sum())
    rounding = 1e-9 * np.abs(differences).sum()
    extreme = int(np.count_nonzero(sums >= observed - rounding))
    return extreme / 2**n if n <= EXACT else (extreme + 1) / (PATTERNS + 1)
