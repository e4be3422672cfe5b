"""Finds the mark in samples: whitens them, and correlates them with a key's signs at every lag.

Long audio is cut into blocks, and windows of 1, 2, 4, 8 and 16 of them are tried: signs go on from
sentence to sentence, so each window has a single lag.

How likely chance finds as much is bounded for any sound that was made without the key: the sum of
given numbers under signs that are as good as drawn exceeds z times the root of the sum of their
squares, on either side, with a probability of at most 2 exp(-z^2 / 2) (Hoeffding). The numbers are
samples, those a period of the signs apart added up. This times the number of lags, windows and
speeds that were tried is `chance`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from dlpo.mark.stream import (
    DATA,
    EVERY,
    MESSAGE_BITS,
    OWN,
    PERIOD,
    PUBLIC_KEY,
    RATE_HZ,
    key_signs,
    message_columns,
)

LEAST_S = 0.5  # anything shorter is not judged
THRESHOLD = -6.0  # log10 of the chance below which audio counts as marked
MESSAGE_THRESHOLD = -3.0  # the same for a message
BLOCK = PERIOD // 2  # samples, 2.7 s
SEGMENT = 16  # blocks that are examined together; bounds memory
WINDOW, HOP = 512, 256  # samples of the whitening's spectra
FLOOR = 0.1  # of a spectrum's mean: weaker bins are codecs' leftovers and are not raised

Signs = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the mark was found."""

    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class Detection:
    """What was found in some audio."""

    marked: bool | None
    """None: too short to say"""
    z: float = 0.0
    """the largest correlation, in standard deviations of those by chance"""
    chance: float = 0.0
    """log10 of the probability, at most, that chance finds as much in audio without the mark"""
    message: int | None = None
    """None where it can't be read"""
    places: tuple[Place, ...] = ()
    speed: float = 1.0
    """how much faster than it was spoken"""

    def __str__(self) -> str:
        if self.marked is None:
            return f"too short to say; expected {LEAST_S:g} s or more"
        what = f"z {self.z:.1f}, by chance 10^{self.chance:.1f}"
        if not self.marked:
            return f"no mark found ({what})"
        said = "unreadable" if self.message is None else self.message
        where = ", ".join(f"{place.start_s:.1f} to {place.stop_s:.1f} s" for place in self.places)
        speed = f", {self.speed:.3f} times as fast" if self.speed != 1 else ""
        return f"marked ({what}), message {said}, at {where}{speed}"


@dataclass(frozen=True, slots=True)
class BlockRange:
    """Some blocks, and the lag at which they fit best."""

    first: int
    stop: int
    z: float
    lag: int
    """where a period of the signs begins"""
    polarity: float
    """-1 where it is turned"""

    def holds(self, other: BlockRange) -> bool:
        """Whether all blocks of another range are some of these."""
        return self.first <= other.first and other.stop <= self.stop


@cache
def pilot(own_key: bytes = b"") -> Signs:
    """(PERIOD,) the public key's signs, or one's own, that no message changes; others are 0."""
    signs = key_signs(own_key or PUBLIC_KEY)
    places = [OWN] if own_key else range(DATA)
    signs[~np.isin(np.arange(PERIOD) % EVERY, places)] = 0
    return signs


def detect_samples(
    samples: NDArray[np.float32], own_key: bytes = b"", speeds: int = 1
) -> Detection:
    """Whether the mark is in (T,) samples at `RATE_HZ`.

    Args:
        samples: of any level.
        own_key: look for this key's mark instead of the public one.
        speeds: how many speeds are tried, this one included.
    """
    if len(samples) < LEAST_S * RATE_HZ:
        return Detection(None)
    signs = pilot(own_key)
    windows: list[BlockRange] = []
    for start in range(0, len(samples), SEGMENT * BLOCK):
        white = whitened(samples[start : start + SEGMENT * BLOCK])
        windows += windows_of(white, start // BLOCK, signs)
    tried = math.log(2.0 * PERIOD * len(windows) * speeds)
    best = max(windows, key=attrgetter("z"))
    chance = log10_chance(best.z, tried)
    found = [one for one in windows if log10_chance(one.z, tried) <= THRESHOLD]
    message = _message(samples, best) if found else None
    places = _places(found, len(samples))
    return Detection(bool(found), round(best.z, 2), round(chance, 2), message, places)


def log10_chance(z: float, tried: float) -> float:
    """log10 of the bound on the chance; `tried` is the logarithm of the number of hypotheses."""
    return min(0.0, (tried - z * z / 2) / math.log(10))


def whitened(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T,) -> (T,): every frequency at each time about as strong as every other."""
    clean = np.nan_to_num(np.asarray(samples, np.float32))
    window = np.sin(np.pi * (np.arange(WINDOW, dtype=np.float32) + 0.5) / WINDOW)
    padded = np.pad(clean, (HOP, WINDOW - len(clean) % HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP] * window
    spectra = np.fft.rfft(frames, axis=1)
    size = np.abs(spectra)
    spectra /= size + FLOOR * size.mean(axis=1, keepdims=True) + np.float32(1e-9)
    halves = (np.fft.irfft(spectra, WINDOW, axis=1) * window).reshape(-1, 2, HOP)
    joined: NDArray[np.float32] = (halves[1:, 0] + halves[:-1, 1]).ravel().astype(np.float32)
    return joined[: len(clean)]


def windows_of(white: NDArray[np.float32], begin: int, signs: Signs) -> list[BlockRange]:
    """The windows of a segment of whitened samples whose first block is the file's `begin`th."""
    spectrum = np.conj(np.fft.rfft(signs))
    around = np.add.outer(np.arange(EVERY), np.flatnonzero(signs[:EVERY])) % EVERY  # by lag
    found = []
    for first, stop in spans(-(-len(white) // BLOCK)):
        folded = _folded(white[first * BLOCK : stop * BLOCK], first)
        energy = np.square(folded, dtype=np.float64).reshape(-1, EVERY).sum(axis=0)
        norms = np.sqrt(energy[around].sum(axis=1)).astype(np.float32) + np.float32(1e-9)
        z = np.fft.irfft(np.fft.rfft(folded) * spectrum).reshape(-1, EVERY) / norms
        lag = int(np.abs(z).argmax())
        best = float(z.ravel()[lag])
        span = begin + first, begin + stop
        found.append(BlockRange(*span, abs(best), lag, math.copysign(1, best)))
    return found


def _folded(white: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """(PERIOD,) sums of samples a period apart, from the beginning of the `block`th block on."""
    before = block % 2 * BLOCK
    padded = np.pad(white, (before, -(before + len(white)) % PERIOD))
    sums: NDArray[np.float32] = padded.reshape(-1, PERIOD).sum(axis=0)
    return sums


def spans(blocks: int) -> list[tuple[int, int]]:
    """First and last + 1 of 1, 2, 4 and so on adjacent blocks, half overlapping, and of all."""
    found, size = [], 1
    while size < blocks:
        step = max(1, size // 2)
        found += [(first, first + size) for first in range(0, blocks - size + 1, step)]
        size *= 2
    return [*found, (0, blocks)]


def _places(found: list[BlockRange], length: int) -> tuple[Place, ...]:
    """Where those windows are that hold no shorter one, of so many samples."""
    heard = np.zeros(-(-length // BLOCK) + 2, np.int8)
    for one in found:
        if not any(one.holds(other) for other in found if other is not one):
            heard[one.first + 1 : one.stop + 1] = 1
    edges = np.minimum(np.flatnonzero(np.diff(heard)) * BLOCK, length) / RATE_HZ
    return tuple(Place(round(a, 2), round(b, 2)) for a, b in edges.reshape(-1, 2).tolist())


def _message(samples: NDArray[np.float32], window: BlockRange) -> int | None:
    """The message that fits best where the mark was found; None if chance may fit as well.

    Place n of the message has the 16 bits c(n), and is turned if c(n) and the message have an odd
    number of ones in common: so one Walsh-Hadamard transform of the samples, added up by c(n),
    has the correlation with every message.
    """
    white = whitened(samples[window.first * BLOCK : window.stop * BLOCK])
    folded = _folded(white, window.first)
    received = np.roll(folded, -window.lag)[DATA::EVERY] * key_signs(PUBLIC_KEY)[DATA::EVERY]
    received = received * np.float32(window.polarity)
    sums = np.bincount(message_columns(), received, 1 << MESSAGE_BITS)
    fits: NDArray[np.float64] = sums.astype(np.float64)
    for bit in range(MESSAGE_BITS):
        even, odd = fits.reshape(-1, 2, 1 << bit).swapaxes(0, 1)
        fits = np.concatenate([even + odd, even - odd], axis=1).ravel()
    message = int(fits.argmax())
    z = fits[message] / (np.linalg.norm(received) + 1e-9)
    chance = log10_chance(float(z), MESSAGE_BITS * math.log(2))
    return message if chance <= MESSAGE_THRESHOLD else None
