"""Batch norms go into their convolutions and leave the outputs alone."""

from __future__ import annotations

import torch
from torch import nn

from dlpo_export.weights import fold_batch_norms


def test_folded_model_computes_the_same_without_batch_norms() -> None:
    torch.manual_seed(0)
    model = nn.ModuleDict(
        {"a": nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.ReLU(), nn.Conv1d(6, 2, 1))}
    )
    norm = model.get_submodule("a.1")
    assert isinstance(norm, nn.BatchNorm1d)
    for statistic in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
        assert statistic is not None
        nn.init.uniform_(statistic, 0.5, 2.0)
    model.eval()
    folded = fold_batch_norms(model)
    x = torch.randn(2, 4, 9)
    with torch.no_grad():
        torch.testing.assert_close(folded["a"](x), model["a"](x))
    assert not any(isinstance(child, nn.BatchNorm1d) for child in folded.modules())
    assert any(isinstance(child, nn.BatchNorm1d) for child in model.modules())


def test_model_without_batch_norms_is_itself() -> None:
    model = nn.Sequential(nn.Conv1d(4, 6, 3), nn.ReLU())
    assert fold_batch_norms(model) is model
