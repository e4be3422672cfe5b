"""Joining a run: the arithmetic that the processor is quick in."""

from __future__ import annotations

import pytest
import torch

from dlpo.training.processes import arithmetic


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx2": True, "avx512_bf16": False}, "no"),
        ({"avx2": True, "avx512_bf16": True}, "bf16"),
        ({"neon": True, "bf16": True}, "bf16"),
        ({}, "no"),
    ],
)
def test_bfloat16_is_chosen_where_the_cpu_computes_in_it(
    capabilities: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)

    assert arithmetic("auto") == expected
    assert arithmetic("bf16") == "bf16"
    assert arithmetic("no") == "no"
