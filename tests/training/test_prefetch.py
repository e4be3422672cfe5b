"""Batches that other processes draw are those that this one would draw."""

import pytest
import torch
from torch import Tensor

from dlpo.training.prefetch import Prefetched


def draw(update: int) -> Tensor:
    return torch.randn(3, generator=torch.Generator().manual_seed(update))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on one core
def test_batches_come_in_order_from_any_update() -> None:
    drawn = Prefetched(draw, 9, workers=2)
    for update in (0, 1, 2, 6, 7, 8):  # a run resumes at 6
        assert torch.equal(drawn.of(update), draw(update))


def test_without_workers_the_same() -> None:
    drawn = Prefetched(draw, 9, workers=0)
    assert torch.equal(drawn.of(4), draw(4))


def test_workers_leave_the_global_generator_alone() -> None:
    """Dropout draws from it after the batch."""
    drawn = Prefetched(lambda update: (draw(update), None), 9, workers=1)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    batch, nothing = drawn.of(0)
    assert torch.equal(batch, draw(0))
    assert nothing is None
    assert torch.equal(torch.rand(1), expected)
