"""LSTMs as ONNX's own operator: torch's exporter can't trace one over a variable length."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from dlpo_export.options import OPSET

M = TypeVar("M", bound=nn.Module)


class OnnxLstm(nn.Module):
    """A one-layer, unidirectional, batch-first `nn.LSTM` that exports as one LSTM node.

    For export only: called outside of it, it returns zeros.
    """

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        if lstm.num_layers != 1 or lstm.bidirectional or not lstm.batch_first or not lstm.bias:
            raise NotImplementedError(f"{lstm}: only one layer, one way, batch first, with bias")
        self.hidden_size = lstm.hidden_size

        def as_onnx(name: str) -> Tensor:
            i, f, g, o = getattr(lstm, f"{name}_l0").detach().chunk(4)  # torch's gate order
            return torch.cat([i, o, f, g])[None]  # ONNX's gate order; one direction

        self.w = nn.Buffer(as_onnx("weight_ih"))
        self.r = nn.Buffer(as_onnx("weight_hh"))
        self.b = nn.Buffer(torch.cat([as_onnx("bias_ih"), as_onnx("bias_hh")], dim=1))

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """(B, P, C) -> (B, P, hidden_size), and None in place of the final state."""
        batch, length, _ = x.shape
        out: Tensor = torch.onnx.ops.symbolic(
            "LSTM",
            (x.transpose(0, 1), self.w, self.r, self.b),
            {"hidden_size": self.hidden_size},
            dtype=x.dtype,
            shape=(length, 1, batch, self.hidden_size),
            version=OPSET,
        )
        return out.squeeze(1).transpose(0, 1), None


def with_onnx_lstms(module: M) -> M:
    """A copy of `module` with every `nn.LSTM` replaced by an `OnnxLstm`; itself if it has none."""
    names = [name for name, child in module.named_modules() if isinstance(child, nn.LSTM)]
    if not names:
        return module
    replaced = copy.deepcopy(module)
    for name in names:
        lstm = replaced.get_submodule(name)
        assert isinstance(lstm, nn.LSTM)
        replaced.set_submodule(name, OnnxLstm(lstm))
    return replaced
