"""Phonemes of a word that no dictionary knows, by a small net over its letters.

Two bidirectional GRU layers and two slots per letter, each a phoneme or nothing; trained on CMUdict
by scripts/train_letter_to_sound.py. The standard library is enough, where a letter takes
milliseconds; with numpy, a fraction of one.
"""

from __future__ import annotations

import ast
import math
import struct
import zipfile
from collections.abc import Sequence
from itertools import repeat
from operator import add, mul, sub
from pathlib import Path
from typing import Any

from dlpo.text.symbols import ENGLISH

try:
    import numpy as np
except ModuleNotFoundError:  # in a browser
    np = None  # type: ignore[assignment]

LETTERS = "^abcdefghijklmnopqrstuvwxyz'$"  # a word is delimited by ^ and $
SLOTS = 2  # most phonemes per letter
_PIECE = 24  # letters; a longer run is read in pieces, as no English word has that many
_NPY = b"\x93NUMPY\x01\x00"

Vector = Any  # an array (N,) of numpy, or a _List
Matrix = Any  # an array (R, C), or R lists


class LetterToSound:
    """The net. Safe to share between threads.

    ``path``: an .npz file of the weights, by default the one that ships with the package.
    """

    def __init__(self, path: Path | None = None) -> None:
        weights = _read_arrays(path or Path(__file__).with_suffix(".npz"))
        self._embedding = weights["embedding"]
        self._output = weights["output_weight"]
        self._output_bias = weights["output_bias"]
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        self._layers = [
            [[weights[f"gru{layer}_{name}"][direction] for name in names] for direction in (0, 1)]
            for layer in (0, 1)
        ]

    def phonemes(self, word: str) -> tuple[str, ...]:
        """Letters a-z and apostrophes, at least one letter -> ARPAbet with one primary stress."""
        known = "".join(letter for letter in word.lower() if letter in LETTERS[1:-1])
        pieces = [known[start : start + _PIECE] for start in range(0, len(known), _PIECE)]
        return tuple(phoneme for piece in pieces for phoneme in self._piece(piece))

    def _piece(self, letters: str) -> list[str]:
        """One piece of a word -> its phonemes, with the most probable vowel stressed."""
        slots = self.logits(letters)
        best = [max(range(len(slot)), key=slot.__getitem__) for slot in slots]
        fresh = (i for i, phoneme in enumerate(best) if not i or phoneme != best[i - 1])
        said = [i for i in fresh if best[i] < len(ENGLISH)]
        spoken = [ENGLISH[best[i]] for i in said]
        vowels = [index for index, phoneme in enumerate(spoken) if phoneme[-1].isdigit()]
        if vowels and not any(spoken[index].endswith("1") for index in vowels):
            index = max(vowels, key=lambda i: slots[said[i]][ENGLISH.index(spoken[i][:-1] + "1")])
            spoken[index] = spoken[index][:-1] + "1"
        return spoken

    def logits(self, letters: str) -> list[list[float]]:
        """Letters -> SLOTS * (letters + 2) lists of phonemes and blank, not normalized."""
        hidden = [self._embedding[LETTERS.index(letter)] for letter in f"^{letters}$"]
        for forward, backward in self._layers:
            ahead, back = gru(hidden, *forward), gru(hidden[::-1], *backward)[::-1]
            hidden = [_joined(one, other) for one, other in zip(ahead, back, strict=True)]
        size, slots = len(ENGLISH) + 1, list[list[float]]()
        for one in hidden:
            both = list(_times(self._output, one) + self._output_bias)
            slots += [both[slot * size : (slot + 1) * size] for slot in range(SLOTS)]
        return slots


def gru(
    inputs: Sequence[Vector], weight_ih: Matrix, weight_hh: Matrix, bias_ih: Vector, bias_hh: Vector
) -> list[Vector]:
    """L inputs (C,) -> L states (H,); gates in torch's order r, z, n.

    weight_ih (3H, C), weight_hh (3H, H), biases (3H,). Reference: the equations of torch.nn.GRU.
    """
    size = len(bias_hh) // 3
    state, states = bias_hh[:size] * 0.0, list[Vector]()
    for one in inputs:
        given, kept = _times(weight_ih, one) + bias_ih, _times(weight_hh, state) + bias_hh
        gates = _sigmoid(given[: 2 * size] + kept[: 2 * size])
        reset, update = gates[:size], gates[size:]
        new = _tanh(given[2 * size :] + reset * kept[2 * size :])
        state = new + update * (state - new)
        states.append(state)
    return states


class _List(list[float]):
    """What numpy's arrays do, number by number."""

    def __add__(self, other: Any) -> _List:  # type: ignore[override]
        return _List(map(add, self, other))

    def __sub__(self, other: Any) -> _List:
        return _List(map(sub, self, other))

    def __mul__(self, other: Any) -> _List:
        return _List(map(mul, self, repeat(other) if isinstance(other, float) else other))

    def __getitem__(self, which: Any) -> Any:
        found = list.__getitem__(self, which)
        return _List(found) if isinstance(which, slice) else found


def _times(matrix: Matrix, vector: Vector) -> Vector:
    if np is not None:
        return matrix @ vector
    dot = getattr(math, "sumprod", None) or (lambda row, other: sum(map(mul, row, other)))
    return _List(dot(row, vector) for row in matrix)  # math.sumprod is of Python 3.12


def _sigmoid(vector: Vector) -> Vector:
    if np is not None:
        return 1 / (1 + np.exp(-vector))
    return _List(1 / (1 + math.exp(-one)) for one in vector)


def _tanh(vector: Vector) -> Vector:
    return np.tanh(vector) if np is not None else _List(map(math.tanh, vector))


def _joined(one: Vector, other: Vector) -> Vector:
    return np.concatenate([one, other]) if np is not None else _List([*one, *other])


def _read_arrays(path: Path) -> dict[str, Any]:
    """The float16 arrays of an .npz file."""
    if np is not None:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name].astype(np.float32) for name in archive.files}
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            data, start = archive.read(entry), len(_NPY) + 2
            (size,) = struct.unpack_from("<H", data, len(_NPY))
            header = ast.literal_eval(data[start : start + size].decode("latin-1"))
            assert data.startswith(_NPY)
            assert (header["descr"], header["fortran_order"]) == ("<f2", False)
            count = math.prod(header["shape"])
            values = struct.unpack_from(f"<{count}e", data, start + size)
            arrays[entry.removesuffix(".npy")] = _nested(values, header["shape"])
    return arrays


def _nested(values: Sequence[float], shape: tuple[int, ...]) -> Any:
    """An array in C order as lists of lists."""
    if len(shape) == 1:
        return _List(values)
    size = len(values) // shape[0]
    return [_nested(values[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]
