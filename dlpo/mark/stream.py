"""Keys, messages, and the sign that each sample of a voice's noise has.

Signs repeat after `PERIOD` samples, counted from the first sample of the audio. Of every four, the
first two follow the public key, the third the operator's own key if there is one, and the fourth
the public key and the message: its sign is turned where the message has an odd number of ones in
common with the 16 bits that belong to the place. That is a linear code of 32,768 bits for 16,
whose words differ in about half of their places.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from dlpo.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Signs = NDArray[np.float32]

RATE_HZ = 24_000  # of the voices; detectors work at this rate
PERIOD = 1 << 17  # samples, 5.5 s: heard as no rhythm
EVERY = 4
OWN, DATA = 2, 3  # places among every four
MESSAGE_BITS = 16
PUBLIC_KEY = b"dlpo: a machine spoke this"
UNMARKED = "none"
# IPTC's, of files
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
KEY_BYTES = (16, 4096)  # least and most, of a key file
_SHA_BITS = 256


@cache
def key_bits(key: bytes) -> NDArray[np.uint8]:
    """(PERIOD,) bits of a key: SHA-256 of its SHA-256 and a 32-bit big-endian counter."""
    import numpy as np  # not at the top: naming a mark must not load it

    seed = sha256(key).digest()
    blocks = [sha256(seed + n.to_bytes(4, "big")).digest() for n in range(PERIOD // _SHA_BITS)]
    return np.unpackbits(np.frombuffer(b"".join(blocks), np.uint8))


def key_signs(key: bytes) -> Signs:
    """(PERIOD,) 1 where the key's bit is 0, -1 where it is 1."""
    return 1 - 2 * key_bits(key).astype("f4")


def message_columns() -> NDArray[np.uint16]:
    """(PERIOD / EVERY,) the 16 bits that belong to each place of the message."""
    import numpy as np

    words = np.packbits(key_bits(PUBLIC_KEY)).view(">u2").astype(np.uint16)
    return np.resize(words, PERIOD // EVERY)


@dataclass(frozen=True)
class NoiseMark:
    """Whose signs a voice's noise has."""

    own_key: bytes = b""
    """of the operator, beside the public one; none if empty"""
    message: int = 0
    """16 bits that say who operates the voice"""

    def __post_init__(self) -> None:
        if not 0 <= self.message < 1 << MESSAGE_BITS:
            raise InputError(f"the mark's message is {self.message}; expected 0 to 65535")

    @property
    def named(self) -> str:
        """Which keys mark, and the message."""
        return f"public{', own' * bool(self.own_key)}; message={self.message}"

    @cached_property
    def signs(self) -> Signs:
        """(PERIOD,)"""
        import numpy as np

        signs = key_signs(PUBLIC_KEY)
        if self.own_key:
            signs[OWN::EVERY] = key_signs(self.own_key)[OWN::EVERY]
        odd = np.bitwise_count(message_columns() & np.uint16(self.message)) % 2
        signs[DATA::EVERY] *= np.where(odd, np.float32(-1), np.float32(1))
        return signs

    def put_on(self, noise: NDArray[np.float32], start: int) -> None:
        """Give drawn noise its signs, in place.

        Args:
            noise: (..., T) standard normal, consecutive samples in their order.
            start: index of the first one in the whole audio.
        """
        import numpy as np

        begin, size = start % PERIOD, noise.size
        if begin + size <= len(self._twice):  # a view
            signs = self._twice[begin : begin + size]
        else:
            signs = self._twice.take(range(begin, begin + size), mode="wrap")
        bits = noise.view(np.uint32)  # a fifth of copysign's time
        bits &= np.uint32(0x7FFFFFFF)
        bits |= signs.reshape(noise.shape)

    @cached_property
    def _twice(self) -> NDArray[np.uint32]:
        """Two periods of the sign bits of float32."""
        import numpy as np

        return np.tile(self.signs.view(np.uint32) & np.uint32(0x80000000), 2)


PUBLIC = NoiseMark()


def read_key(path: Path | None) -> bytes:
    """The key in a file; none if there is no path.

    Raises:
        InputError: it can't be read, or its length is not that of a key.
    """
    if path is None:
        return b""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise InputError(f"{path}: the mark's key can't be read ({error.strerror})") from error
    least, most = KEY_BYTES
    if not least <= len(key) <= most:
        raise InputError(
            f"{path}: the mark's key has {len(key)} bytes; expected {least} to {most}, as from"
            " openssl rand -hex 32"
        )
    return key
