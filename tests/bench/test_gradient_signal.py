"""What the estimates of a gradient are boiled down to."""

from __future__ import annotations

import pytest
import torch

from dlpo_bench.gradient_signal import Gradients, summary


def test_chains_to_match_is_where_noise_is_as_large_as_the_signal() -> None:
    """Estimates drawn from a known noise: 2,000 sentences of 4 chains, signal of norm 2, noise of
    norm 10 in each chain: (10 / 2)^2 chains."""
    random = torch.Generator().manual_seed(0)
    weights, group = 50, 4
    signal = torch.zeros(weights)
    signal[0] = 2.0
    noise = torch.randn(2_000, weights, generator=random) * 10 / (weights * group) ** 0.5
    found = [Gradients(3 * signal, signal, signal + row, 0.1) for row in noise]
    figures = summary(found, group)
    assert figures["noise_of_one_chain"] == pytest.approx(10, rel=0.02)
    assert figures["chains_to_match"] == pytest.approx(25, rel=0.04)
    assert figures["share_of_noisy_steps"] == pytest.approx(1 / 3)
    assert figures["cosine_estimate_noisy"] > 0.99


def test_cosine_of_as_many_chains_as_match_is_seven_tenths() -> None:
    random = torch.Generator().manual_seed(1)
    signal = torch.randn(1_000, generator=random)
    signal /= signal.norm()
    cosines = []
    for _ in range(50):
        rows = torch.randn(25, 1_000, generator=random) * 5 / 1_000**0.5
        found = [Gradients(signal, signal, signal + row, 0.1) for row in rows]
        cosines.append(summary(found, 1)["cosine_estimate_noisy"])
    assert sum(cosines) / 50 == pytest.approx(0.5**0.5, abs=0.02)
