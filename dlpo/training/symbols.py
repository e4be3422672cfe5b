"""The embeddings of models that know fewer symbols than there are today."""

from __future__ import annotations

import torch
from torch import Tensor

from dlpo.text.symbols import SYMBOL_IDS, SYMBOLS, within

EMBEDDING = "embedding.weight"  # of symbols: the end of its name


def grown_embedding(rows: Tensor, symbols: int, size: int) -> Tensor:
    """The embedding of a model that knows fewer symbols -> one of ``size`` rows.

    A symbol that is new begins as the nearest that was known. Rows after those of the symbols, such
    as that of a hidden one, remain the last.

    Args:
        rows: (symbols and perhaps others, C).
        symbols: the number of symbols that were known.
        size: the number of rows today.
    """
    others = rows[symbols:]
    new = SYMBOLS[symbols : size - len(others)]
    nearest = [SYMBOL_IDS[within(SYMBOLS[:symbols], (symbol,))[0]] for symbol in new]
    return torch.cat([rows[:symbols], rows[nearest], others])
