"""Muon: directions of one size, and AdamW beside it."""

from __future__ import annotations

import copy
from typing import cast

import numpy as np
import pytest
import torch
from torch import nn

from dlpo.training.muon import Muon, orthogonal

RATE = 0.01


@pytest.mark.parametrize("shape", [(16, 48), (48, 16), (32, 32)])
def test_singular_vectors_stay_and_values_become_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, _, right = np.linalg.svd(matrix.numpy().astype(np.float64), full_matrices=False)
    values = left.T @ orthogonal(matrix).numpy() @ right.T

    assert np.all((np.diag(values) > 0.6) & (np.diag(values) < 1.3))
    np.testing.assert_allclose(values - np.diag(np.diag(values)), 0, atol=1e-4)


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(8, 32, 3), nn.Conv1d(32, 1, 3))  # the second is too small


def descend(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for step in range(steps):
        x = torch.randn(2, 8, 20, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        (model(x) - 1).square().mean().backward()
        optimizer.step()


def test_a_step_has_the_size_of_adamw() -> None:
    weight = nn.Parameter(torch.zeros(32, 8, 3))
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    Muon([weight], RATE).step()

    size = float(weight.detach().square().mean().sqrt())
    assert size == pytest.approx(0.2 * RATE, rel=0.2)


def test_other_parameters_learn_by_adamw() -> None:
    ours, plain = layers(), layers()
    descend(ours, Muon(ours.parameters(), RATE, weight_decay=0.1), 1)
    descend(plain, torch.optim.AdamW(plain.parameters(), RATE, weight_decay=0.1), 1)

    for name in ("0.bias", "1.weight", "1.bias"):
        assert torch.equal(ours.get_parameter(name), plain.get_parameter(name))
    assert not torch.equal(ours[0].weight, plain[0].weight)


def test_linear_layers_that_are_named_learn_by_it() -> None:
    def trained(*named: int) -> nn.Sequential:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(20, 16), nn.Linear(16, 8))
        layers = [cast(nn.Linear, model[place]) for place in named]
        descend(model, Muon(model.parameters(), RATE, layers=layers), 1)
        return model

    plain, first = trained(), trained(0)
    assert not torch.equal(plain[0].weight, first[0].weight)
    assert torch.equal(plain[1].weight, first[1].weight)


def test_its_state_resumes_to_the_bit() -> None:
    first = layers()
    optimizer = Muon(first.parameters(), RATE)
    descend(first, optimizer, 2)
    second = copy.deepcopy(first)
    resumed = Muon(second.parameters(), 1.0)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    descend(first, optimizer, 2)
    descend(second, resumed, 2)

    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_it_descends() -> None:
    model = layers()
    x = torch.randn(2, 8, 20, generator=torch.Generator().manual_seed(0))

    def loss() -> float:
        with torch.no_grad():
            return float((model(x) - 1).square().mean())

    before = loss()
    descend(model, Muon(model.parameters(), RATE), 50)
    assert loss() < before / 2
