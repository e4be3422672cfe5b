"""What clips without sound take from a corpus of their voice that has it.

**Boundaries**: the teacher counts durations in steps of 25 ms, some 40 ms late, and how late
depends on the phones on both sides; the corpus says how late in the median. **Voicing**: the
teacher's pitch goes on through most unvoiced phones and slides steeply into them; the corpus says
in which eighths of which phones a voice is heard.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

BOUNDARIES, VOICING = "boundaries.json", "voicing.json"
SILENCE = "sil"
ANY = "*"  # phone, where a pair is too rare to say
LEAST_PAIRS = 5  # boundaries of a pair
SHORTEST_S = 0.03  # of a phone, as the aligner has it
SHORT_PAUSE_S = 0.11  # between words: the aligner hears half of the pauses that long
Segments = Sequence[Any]
"""the aligner's"""
PLACES = 8  # in a phone, from its start to its end
LEAST_FRAMES = 20  # of a phone's place; fewer decide nothing, and the teacher's pitch is taken
STEEP_ST = 1.0  # semitones a frame at the ends of the teacher's voiced stretches


def write(corpus: Path, boundaries: Boundaries, voicing: Voicing) -> None:
    """Write what a corpus with sound says to its files."""
    for name, content in ((BOUNDARIES, asdict(boundaries)), (VOICING, voicing.shares)):
        (corpus / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read(corpus: Path) -> tuple[Boundaries, Voicing]:
    """What a corpus with sound says, in its files."""
    if missing := [name for name in (BOUNDARIES, VOICING) if not (corpus / name).exists()]:
        raise SystemExit(f"{corpus / missing[0]}: not there; make the corpus that has sound first")
    moved, shares = (
        json.loads((corpus / name).read_text("utf-8")) for name in (BOUNDARIES, VOICING)
    )
    return Boundaries(**moved), Voicing(shares)


@dataclass(frozen=True, slots=True)
class Boundaries:
    """How a voice's boundaries differ from its teacher's durations."""

    moved_s: dict[str, float]
    """of the phones on both sides, such as `AA B`, without stress"""
    first_s: float
    """silence before the first phone"""
    last_s: float
    """silence after the last one"""

    @classmethod
    def learn(cls, clips: Iterable[tuple[Segments, Segments]]) -> Boundaries:
        """Learn from clips: the teacher's segments and the aligner's, which lack some pauses."""
        found = defaultdict[str, list[float]](list)
        first, last = list[float](), list[float]()
        for planned, fitted in clips:
            kept = _same(planned, fitted)
            for pair, end_s, segment in zip(pairwise(kept), _ends_s(kept), fitted, strict=False):
                for kind in (_pair(*pair), _rare(*pair)):
                    found[kind].append(segment.end_s - end_s)
            first.append(fitted[0].end_s)
            last.append(fitted[-1].end_s - fitted[-1].start_s)
        moved = {
            kind: round(median(seconds), 4)
            for kind, seconds in sorted(found.items())
            if len(seconds) >= LEAST_PAIRS or ANY in kind
        }
        return cls(moved, round(median(first), 4), round(median(last), 4))

    def fit(self, planned: Segments) -> tuple[list[Any], float]:
        """The teacher's segments as the aligner would have them, and what is cut off before."""
        kept = [s for s in planned if not s.optional or s.end_s - s.start_s >= SHORT_PAUSE_S]
        ends_s = list[float]()
        for pair, end_s in zip(pairwise(kept), _ends_s(kept), strict=True):
            moved_s = self.moved_s.get(_pair(*pair), self.moved_s.get(_rare(*pair), 0.0))
            least_s = ends_s[-1] + SHORTEST_S if ends_s else 0.0
            ends_s.append(max(end_s + moved_s, least_s))
        cut_s = ends_s[0] - self.first_s
        bounds_s = [0.0, *(end_s - cut_s for end_s in ends_s), ends_s[-1] - cut_s + self.last_s]
        spans = zip(kept, pairwise(bounds_s), strict=True)
        return [replace(s, start_s=start_s, end_s=end_s) for s, (start_s, end_s) in spans], cut_s


def bare(label: str) -> str:
    """A label without its stress."""
    return label.rstrip("012")


def _same(planned: Segments, fitted: Segments) -> list[Any]:
    """The teacher's segments less the pauses that the aligner doesn't hear."""
    kept = list[Any]()
    for segment in planned:
        if len(kept) < len(fitted) and segment.label == fitted[len(kept)].label:
            kept.append(segment)
    return kept


def _ends_s(segments: Segments) -> list[float]:
    """Where each but the last ends; a gap is shared out."""
    return [(a.end_s + b.start_s) / 2 for a, b in pairwise(segments)]


def _pair(before: Any, after: Any) -> str:
    return " ".join(bare(s.label) for s in (before, after))


def _rare(before: Any, after: Any) -> str:
    return " ".join(SILENCE if s.label == SILENCE else ANY for s in (before, after))


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
            phone: np.where(count < LEAST_FRAMES, 1.0, voiced[phone] / np.maximum(count, 1))
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
