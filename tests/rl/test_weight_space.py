"""Exploring weights: the estimate against closed forms, and the coordinates of the weights."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from dlpo.rl.weight_space import Perturbation, WeightSpace, shrunken


def small_weights() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(*shape)) for shape in ((3, 2), (3,), (4, 3, 2))]


def test_the_gradient_is_that_of_the_smoothed_return() -> None:
    """R = sum_j c_j exp(v_j), so that E[R(v + s z)] = sum_j c_j exp(v_j + s^2 / 2)."""
    std, nodes = 0.4, 9
    c, v = np.array([0.7, -1.3]), np.array([0.2, -0.1])
    space = WeightSpace([nn.Parameter(torch.ones(1)) for _ in c])
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / weights.sum()
    perturbations, slopes = [], []
    for i, j in product(range(nodes), repeat=2):
        z = np.array([points[i], points[j]])
        plus, minus = (float(c @ np.exp(v + sign * std * z)) for sign in (1, -1))
        share = weights[i] * weights[j] * nodes**2  # the estimate is a plain mean
        perturbations.append(Perturbation((torch.tensor(z, dtype=torch.float32),)))
        slopes.append(share * (plus - minus) / (2 * std))
    gradient = space.estimate(perturbations, torch.tensor(slopes, dtype=torch.float64))[0]
    np.testing.assert_allclose(gradient, c * np.exp(v + std**2 / 2), rtol=1e-5)


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_linear_return_is_estimated_without_bias(blocks: int) -> None:
    space = WeightSpace(small_weights(), "rank1")
    slope = [torch.randn_like(v) for v in space.velocity]
    perturbations = [space.draw((0, m), blocks) for m in range(5_000)]

    def along(z: Perturbation) -> float:
        pairs = zip(space.coordinates(z), slope, strict=True)
        return sum(float(v.flatten() @ g.flatten()) for v, g in pairs)

    found = space.estimate(perturbations, torch.tensor([along(z) for z in perturbations]))
    explored = (1, 2, len(slope))[blocks - 1]
    scale = float(torch.cat([g.flatten() for g in slope[:explored]]).norm())
    for one, expected in zip(found[:explored], slope, strict=False):
        torch.testing.assert_close(one, expected, rtol=0, atol=5 * scale / 5_000**0.5)
    assert not any(one.any() for one in found[explored:])


def test_perturbation_scales_with_weights_and_is_undone() -> None:
    space = WeightSpace(weights := small_weights(), "rank1")
    before, z = [w.detach().clone() for w in weights], space.draw((1,), 3)
    tensors, channels = z.vectors
    with space.moved(space.coordinates(z), 0.1):
        gains, change = (0.1 * tensors).exp(), 0.1 * torch.outer(*z.rank1[0])
        expected = before[0] * gains[0] * (0.1 * channels[:3, None]).exp()
        expected = expected + before[0].square().mean().sqrt() * change
        torch.testing.assert_close(weights[0].detach(), expected)
        torch.testing.assert_close(weights[1].detach(), before[1] * gains[1])
    assert all(torch.equal(a, b) for a, b in zip(weights, before, strict=True))


def test_step_has_rms_1_in_explored_blocks_only() -> None:
    space = WeightSpace(small_weights(), "rank1", momentum=0.5)
    space.gradient = space.estimate([space.draw((i,), 2) for i in range(3)], torch.ones(3))
    before = space.weights[1].detach().clone()
    space.learn(0.01)
    first = [v.clone() for v in space.velocity]
    assert all(float(v.square().mean()) == pytest.approx(1) for v in first[:2])
    assert float(first[0] @ space.gradient[0]) > 0
    assert not any(v.any() for v in first[2:])
    torch.testing.assert_close(space.weights[1].detach(), before * (0.01 * first[0][1]).exp())
    space.learn(0.01)
    torch.testing.assert_close(space.velocity[0].detach(), 1.5 * first[0])


def test_a_block_shrinks_by_james_and_stein() -> None:
    random = np.random.default_rng(0)
    for d, signal in ((1, 0.3), (5, 0.0), (5, 2.0), (300, 0.5)):
        g, noise = signal + 0.4 * random.standard_normal(d), 0.4
        norm = np.linalg.norm(g)
        factor = max(0.0, 1 - max(0, d - 2) * noise**2 / norm**2)
        (found,) = shrunken([torch.tensor(g)], noise)
        np.testing.assert_allclose(found, g * factor * np.sqrt(d) / norm, atol=1e-12)


def test_noise_alone_hardly_moves_a_block() -> None:
    """And what is left of a signal is nearer to it than the estimate was."""
    random = np.random.default_rng(1)
    d = 21
    noise = 0.7
    steps, risks = [], []
    for _ in range(400):
        drawn = noise * random.standard_normal(d)
        (step,) = shrunken([torch.tensor(drawn)], noise)
        steps.append(float(step.square().mean().sqrt()))
        g = 0.5 + drawn
        (step,) = shrunken([torch.tensor(g)], noise)
        kept = step.numpy() * np.sqrt((g**2).mean())
        risks.append([((kept - 0.5) ** 2).sum(), (drawn**2).sum()])
    assert np.mean(steps) < 0.25
    ours, unshrunken = np.mean(risks, axis=0)
    assert ours < 0.6 * unshrunken


def test_a_step_is_shrunk_before_it_is_scaled() -> None:
    space = WeightSpace([nn.Parameter(torch.ones(1)) for _ in range(4)])
    space.gradient, space.noise = [torch.tensor([2.0, -1.0, 0.5, 0.0])], 0.8
    space.learn(0.01)
    kept = 1 - 2 * 0.8**2 / 5.25
    expected = (4 / 5.25) ** 0.5 * kept * space.gradient[0]
    torch.testing.assert_close(space.velocity[0].detach(), expected)
