"""Where phones begin and end, by the teacher's durations alone.

The teacher counts durations in steps of 25 ms, some 40 ms late, and how late depends on the phones
on both sides. A corpus that has sound says how late in the median; clips without sound take that.
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

SILENCE = "sil"
ANY = "*"  # phone, where a pair is too rare to say
LEAST = 5  # boundaries of a pair
SHORTEST_S = 0.03  # of a phone, as the aligner has it
SHORT_PAUSE_S = 0.11  # between words: the aligner hears half of the pauses that long
Segments = Sequence[Any]
"""the aligner's"""


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
            if len(seconds) >= LEAST or ANY in kind
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

    def write(self, file: Path) -> None:
        """Write it as JSON."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Boundaries:
        """Read what `write` wrote."""
        if not file.exists():
            raise SystemExit(f"{file}: not there; make the corpus that has sound first")
        return cls(**json.loads(file.read_text(encoding="utf-8")))


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
