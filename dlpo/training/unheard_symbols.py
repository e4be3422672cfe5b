"""Symbols that no recording has: they are given the sound of their nearest relative.

    python -m dlpo.training.unheard_symbols CHECKPOINT --data DATASET --out NEW

Durations are learnt from all texts of a corpus, everything else from those with audio. Where these
are few, marks and rare stresses of vowels are missing among them: an embedding that only timing has
trained says nothing sensible to mel and F0, and the voice buzzes there. Such a symbol takes over
the embedding of one that was heard: a mark that of the full stop, a vowel that of itself with the
stress that was heard most. Questions, where there are none to learn from, rise by rule.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from dlpo.checkpoint import load_checkpoint, save_checkpoint
from dlpo.config.models import LiteConfig
from dlpo.data.dataset import Dataset
from dlpo.errors import DlpoError, InputError
from dlpo.text.symbols import SYMBOL_IDS, SYMBOLS

LEAST = 15  # times in the recordings to train on, below which a symbol counts as unheard
RELATIVES = {"-": ",", ":": ",", ";": ",", "!": ".", "?": "."}  # of marks: as long, as final
QUESTION_RISE = 7.0  # semitones above the middle of a sentence, at the end of a question
EMBEDDINGS = ("embedding.weight", "contour.reader.embedding.weight")  # (symbols or more, C)
STRESSES = "012"


def heard_counts(dataset: Dataset) -> NDArray[np.int64]:
    """(symbols,) how often each symbol is in the training texts that have audio."""
    counts = np.zeros(len(SYMBOLS), np.int64)
    symbols = dataset.arrays["symbols"]
    for entry in dataset.entries:
        if entry.split == "train" and entry.frames:
            row = symbols[entry.first_symbol : entry.first_symbol + entry.symbols]
            counts += np.bincount(row, minlength=len(SYMBOLS))
    return counts


def relatives(counts: NDArray[np.int64], least: int = LEAST) -> dict[str, str]:
    """Unheard symbol -> the heard one that it is to sound like; those without a relative are left.

    Args:
        counts: (symbols,) from `heard_counts`.
        least: times from which on a symbol counts as heard.
    """
    found = {}
    for symbol, count in zip(SYMBOLS, counts, strict=True):
        if count >= least:
            continue
        if symbol in RELATIVES:
            family = [RELATIVES[symbol]]
        elif symbol[-1] in STRESSES:
            family = [symbol[:-1] + stress for stress in STRESSES]
        else:
            continue  # a consonant has none, nor have full stop and comma
        best = max(family, key=lambda other: counts[SYMBOL_IDS[other]])
        if counts[SYMBOL_IDS[best]] >= least:
            found[symbol] = best
    return found


def share_embeddings(
    weights: Mapping[str, torch.Tensor], pairs: Mapping[str, str]
) -> dict[str, torch.Tensor]:
    """The weights with rows of embeddings copied; all others as they are.

    Args:
        weights: of a `lite`, with or without a contour.
        pairs: from `relatives`.

    Raises:
        InputError: a model without such an embedding.
    """
    if EMBEDDINGS[0] not in weights:
        raise InputError(f"the model has no {EMBEDDINGS[0]}; expected a lite")
    changed = dict(weights)
    for name in EMBEDDINGS:
        if name in changed:
            rows = changed[name].clone()
            for symbol, other in pairs.items():
                rows[SYMBOL_IDS[symbol]] = rows[SYMBOL_IDS[other]]
            changed[name] = rows
    return changed


def main(
    checkpoint: Annotated[Path, typer.Argument(help="Directory of a lite.")],
    data: Annotated[Path, typer.Option(help="Dataset that it was trained on.")],
    out: Annotated[Path, typer.Option(help="Directory to write.")],
    least: Annotated[int, typer.Option(min=1, help="Times that count as heard.")] = LEAST,
) -> None:
    """Write the checkpoint again, with unheard symbols sounding like their relatives."""
    try:
        loaded = load_checkpoint(checkpoint)
        pairs = relatives(heard_counts(Dataset(data)), least)
        weights = share_embeddings(loaded.model.state_dict(), pairs)
        config = loaded.config
        if "?" in pairs and isinstance(config, LiteConfig) and config.contour is not None:
            config = replace(config, contour=replace(config.contour, question_rise=QUESTION_RISE))
        save_checkpoint(out, weights, config, loaded.provenance, torch.float16)
    except DlpoError as error:
        typer.echo(f"unheard_symbols: {error}", err=True)
        sys.exit(1)
    typer.echo(", ".join(f"{symbol} as {other}" for symbol, other in pairs.items()))


if __name__ == "__main__":
    typer.run(main)
