"""Phonemes of a word that no dictionary knows, by a small net over its letters.

Two bidirectional GRU layers and two slots per letter, each a phoneme or nothing; trained on CMUdict
by scripts/train_letter_to_sound.py. About half a millisecond a word.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlpo.text.symbols import ENGLISH

LETTERS = "^abcdefghijklmnopqrstuvwxyz'$"  # a word is delimited by ^ and $
SLOTS = 2  # most phonemes per letter
_PIECE = 24  # letters; a longer run is read in pieces, as no English word has that many

Array = npt.NDArray[np.float32]


class LetterToSound:
    """The net. Safe to share between threads.

    ``path``: an .npz file of the weights, by default the one that ships with the package.
    """

    def __init__(self, path: Path | None = None) -> None:
        source = path or Path(__file__).with_suffix(".npz")
        with source.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            self._weights = {name: archive[name].astype(np.float32) for name in archive.files}

    def phonemes(self, word: str) -> tuple[str, ...]:
        """Letters a-z and apostrophes, at least one letter -> ARPAbet with one primary stress."""
        known = "".join(letter for letter in word.lower() if letter in LETTERS[1:-1])
        pieces = [known[start : start + _PIECE] for start in range(0, len(known), _PIECE)]
        return tuple(phoneme for piece in pieces for phoneme in self._piece(piece))

    def _piece(self, letters: str) -> list[str]:
        """One piece of a word -> its phonemes, with the most probable vowel stressed."""
        logits = self.logits(letters)  # (slots, phonemes and blank)
        best = logits.argmax(axis=-1)
        fresh = np.diff(best, prepend=-1) != 0
        slots = np.flatnonzero(fresh & (best < len(ENGLISH)))
        spoken = [ENGLISH[best[slot]] for slot in slots]
        vowels = [index for index, phoneme in enumerate(spoken) if phoneme[-1].isdigit()]
        if vowels and not any(spoken[index].endswith("1") for index in vowels):
            index = max(vowels, key=lambda i: logits[slots[i], ENGLISH.index(spoken[i][:-1] + "1")])
            spoken[index] = spoken[index][:-1] + "1"
        return spoken

    def logits(self, letters: str) -> Array:
        """Letters -> (SLOTS * (letters + 2), phonemes and blank) float32, not normalized."""
        weights = self._weights
        hidden = weights["embedding"][[LETTERS.index(letter) for letter in f"^{letters}$"]]
        for layer in (0, 1):
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            hidden = bidirectional_gru(hidden, *(weights[f"gru{layer}_{name}"] for name in names))
        logits: Array = hidden[:, None] @ weights["output_weight"].T + weights["output_bias"]
        return logits.reshape(-1, len(ENGLISH) + 1)


def bidirectional_gru(
    inputs: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array
) -> Array:
    """inputs (L, C) -> (L, 2H): both directions at once, gates in torch's order r, z, n.

    weight_ih (2, 3H, C), weight_hh (2, 3H, H), biases (2, 3H): forward, then backward.
    Reference: the equations of torch.nn.GRU. All products are of one row with a matrix: for more
    rows BLAS wakes its threads, which costs ten times the work itself on a busy machine.
    """
    length, size = len(inputs), weight_hh.shape[2]
    both = np.stack([inputs, inputs[::-1]])[:, :, None]  # (2, L, 1, C)
    gates_in = both @ weight_ih.transpose(0, 2, 1)[:, None] + bias_ih[:, None, None]
    recurrent = weight_hh.transpose(0, 2, 1)
    state = np.zeros((2, 1, size), np.float32)
    states = np.empty((2, length, size), np.float32)
    for step in range(length):
        gate_in = gates_in[:, step]  # (2, 1, 3H)
        gate_hidden = state @ recurrent + bias_hh[:, None]
        reset_update = 1 / (1 + np.exp(-(gate_in + gate_hidden)[..., : 2 * size]))
        reset, update = reset_update[..., :size], reset_update[..., size:]
        new = np.tanh(gate_in[..., 2 * size :] + reset * gate_hidden[..., 2 * size :])
        state = new + update * (state - new)
        states[:, step] = state[:, 0]
    return np.concatenate([states[0], states[1, ::-1]], axis=1)
