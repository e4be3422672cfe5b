"""Which frames of a clip are voiced, without its sound.

The teacher's pitch goes on through most unvoiced phones and slides steeply into them. A corpus that
has sound says in which eighths of which phones a voice is heard; clips without sound take that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipe.speech.boundaries import Segments, bare

PLACES = 8  # in a phone, from its start to its end
LEAST = 20  # frames of a phone's place; fewer decide nothing, and the teacher's pitch is taken
STEEP_ST = 1.0  # semitones a frame at the ends of the teacher's voiced stretches


@dataclass(frozen=True, slots=True)
class Voicing:
    """Where a voice's phones are voiced."""

    shares: dict[str, list[float]]
    """phone without stress, or silence -> share of voiced frames in each of its places"""

    @classmethod
    def learn(
        cls, clips: Iterable[tuple[Segments, NDArray[np.bool_]]], frames_per_s: float
    ) -> Voicing:
        """Learn from clips: segments, and (F,) which frames are voiced."""
        voiced, frames = dict[str, NDArray[np.int64]](), dict[str, NDArray[np.int64]]()
        for segments, heard in clips:
            owners, places = _places(segments, len(heard), frames_per_s)
            for number, segment in enumerate(segments):
                phone = bare(segment.label)
                mine = owners == number
                for counts, which in ((voiced, mine & heard), (frames, mine)):
                    found = np.bincount(places[which], minlength=PLACES)
                    counts[phone] = counts.get(phone, np.zeros(PLACES, np.int64)) + found
        shares = {
            phone: np.where(count < LEAST, 1.0, voiced[phone] / np.maximum(count, 1))
            for phone, count in sorted(frames.items())
        }
        return cls({phone: share.round(3).tolist() for phone, share in shares.items()})

    def of(
        self, segments: Segments, f0: NDArray[np.float32], frames_per_s: float
    ) -> NDArray[np.float32]:
        """(F,) Hz of the teacher's pitch -> the same with 0 where no voice would be heard."""
        owners, places = _places(segments, len(f0), frames_per_s)
        every = [1.0] * PLACES
        shares = np.array([self.shares.get(bare(segment.label), every) for segment in segments])
        kept: NDArray[np.float32] = np.where(shares[owners, places] > 0.5, without_slides(f0), 0)
        return kept.astype(np.float32)

    def write(self, file: Path) -> None:
        """Write it as JSON."""
        file.write_text(json.dumps(self.shares, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Voicing:
        """Read what `write` wrote."""
        if not file.exists():
            raise SystemExit(f"{file}: not there; make the corpus that has sound again")
        return cls(json.loads(file.read_text(encoding="utf-8")))


def without_slides(f0: NDArray[np.float32]) -> NDArray[np.float32]:
    """(F,) Hz, 0 where unvoiced -> the same without the steep ends of its voiced stretches."""
    kept = f0.copy()
    edges = np.flatnonzero(np.diff(f0 > 0, prepend=False, append=False))
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        steady = np.abs(np.diff(np.log2(f0[first:end]))) * 12 <= STEEP_ST
        if not steady.any():
            kept[first:end] = 0
            continue
        begin, last = np.flatnonzero(steady)[[0, -1]]
        kept[first : first + begin] = 0
        kept[first + last + 2 : end] = 0
    return kept


def _places(
    segments: Segments, frames: int, frames_per_s: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(F,) the segment of each frame, and its place in it."""
    middle_s = (np.arange(frames) + 0.5) / frames_per_s
    starts_s, ends_s = (np.array([getattr(s, at) for s in segments]) for at in ("start_s", "end_s"))
    owners = np.searchsorted(ends_s, middle_s, side="right").clip(max=len(segments) - 1)
    share = (middle_s - starts_s[owners]) / np.maximum(ends_s - starts_s, 1e-6)[owners]
    return owners, (share * PLACES).astype(np.intp).clip(0, PLACES - 1)
