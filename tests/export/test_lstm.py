"""The LSTM that is exported is torch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dlpo_export.lstm import OnnxLstm, lstm_of_onnx


def test_weights_in_onnx_order_compute_the_same() -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(5, 7, batch_first=True)
    exported = OnnxLstm(lstm)
    x = torch.randn(2, 9, 5)
    with torch.no_grad():
        expected, _ = lstm(x)
        made = lstm_of_onnx(x.transpose(0, 1), exported.w, exported.r, exported.b)
    assert made.shape == (9, 1, 2, 7)
    torch.testing.assert_close(made[:, 0].transpose(0, 1), expected)


@pytest.mark.parametrize(
    "lstm",
    [
        nn.LSTM(2, 3, num_layers=2, batch_first=True),
        nn.LSTM(2, 3, bidirectional=True, batch_first=True),
        nn.LSTM(2, 3),
        nn.LSTM(2, 3, batch_first=True, bias=False),
    ],
)
def test_lstm_of_another_kind_is_refused(lstm: nn.LSTM) -> None:
    with pytest.raises(NotImplementedError, match="only one layer, one way"):
        OnnxLstm(lstm)
