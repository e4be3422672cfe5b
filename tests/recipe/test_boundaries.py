"""What a corpus with sound says of one without: where its phones begin and end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from recipe.speech.boundaries import Boundaries


@dataclass(frozen=True)
class Segment:
    """As the teachers' aligner has it."""

    label: str
    start_s: float
    end_s: float
    optional: bool = False


PLANNED = [
    Segment("sil", 0.0, 0.3),
    Segment("AA1", 0.3, 0.5),
    Segment("sil", 0.5, 0.6, optional=True),
    Segment("B", 0.6, 0.7),
    Segment("sil", 0.7, 1.0),
]
FITTED = [
    Segment("sil", 0.0, 0.07),
    Segment("AA1", 0.07, 0.32),
    Segment("B", 0.32, 0.43),
    Segment("sil", 0.43, 0.48),
]


def test_boundaries_move_as_they_did_where_there_was_sound(tmp_path: Path) -> None:
    learned = Boundaries.learn([(PLANNED, FITTED)] * 5)
    learned.write(tmp_path / "boundaries.json")
    segments, cut_s = Boundaries.read(tmp_path / "boundaries.json").fit(PLANNED)
    assert [s.label for s in segments] == [s.label for s in FITTED]
    for found, expected in zip(segments, FITTED, strict=True):
        assert (found.start_s, found.end_s) == pytest.approx((expected.start_s, expected.end_s))
    assert cut_s == pytest.approx(0.0)


def test_a_rare_pair_moves_like_others_of_its_kind() -> None:
    learned = Boundaries.learn([(PLANNED, FITTED)] * 5)
    other = [Segment("K", s.start_s, s.end_s) if s.label == "B" else s for s in PLANNED]
    segments, _ = learned.fit(other)
    assert segments[1].end_s == pytest.approx(0.32)


def test_no_phone_is_shorter_than_the_aligners() -> None:
    learned = Boundaries({"* *": -1.0, "sil *": 0.0, "* sil": 0.0}, 0.1, 0.1)
    segments, _ = learned.fit(PLANNED)
    assert segments[1].end_s - segments[1].start_s == pytest.approx(0.03)


def test_without_a_corpus_that_has_sound_nothing_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make the corpus that has sound first"):
        Boundaries.read(tmp_path / "boundaries.json")
