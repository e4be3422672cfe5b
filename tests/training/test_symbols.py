"""A checkpoint that knows fewer symbols, trained further on a language that has more."""

from __future__ import annotations

import torch

from dlpo.text.symbols import SYMBOL_IDS, SYMBOLS
from dlpo.training.symbols import grown_embedding

KNOWN = 79  # symbols of 1.0


def test_new_symbols_begin_as_their_nearest() -> None:
    rows = torch.randn(KNOWN + 1, 4, generator=torch.Generator().manual_seed(0))
    grown = grown_embedding(rows, KNOWN, len(SYMBOLS) + 1)
    torch.testing.assert_close(grown[:KNOWN], rows[:KNOWN])
    torch.testing.assert_close(grown[-1], rows[-1])  # that of a hidden symbol
    for new, old in (("E1", "EH1"), ("RR", "R"), ("NY", "N"), ("X", "HH")):
        torch.testing.assert_close(grown[SYMBOL_IDS[new]], rows[SYMBOL_IDS[old]])


def test_nothing_grows_where_all_symbols_are_known() -> None:
    rows = torch.arange(12.0).reshape(4, 3)
    torch.testing.assert_close(grown_embedding(rows, 4, 4), rows)
