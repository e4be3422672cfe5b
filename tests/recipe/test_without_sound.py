"""What a corpus with sound says of one without: where phones begin, end and are voiced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from recipe.speech.without_sound import Boundaries, Voicing, read, without_slides, write

HEARD = np.r_[np.zeros(60, bool), np.ones(40, bool)]  # 100 frames a second
PITCH = np.full(100, 120, np.float32)


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
SEGMENTS = [
    Segment("sil", 0.0, 0.2),
    Segment("S", 0.2, 0.6),
    Segment("AA1", 0.6, 1.0),
]


def test_boundaries_move_as_they_did_where_there_was_sound(tmp_path: Path) -> None:
    write(tmp_path, Boundaries.learn([(PLANNED, FITTED)] * 5), Voicing({}))
    segments, cut_s = read(tmp_path)[0].fit(PLANNED)
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
        read(tmp_path)


def test_phones_are_voiced_where_they_were_heard_so() -> None:
    found = Voicing.learn([(SEGMENTS, HEARD)] * 20, 100).of(SEGMENTS, PITCH, 100)
    assert found.tolist() == np.where(HEARD, PITCH, 0).tolist()


def test_half_a_phone_may_be_voiced() -> None:
    half = np.r_[np.zeros(40, bool), np.ones(60, bool)]
    learned = Voicing.learn([(SEGMENTS, half)] * 20, 100)
    longer = [Segment("S", 0.0, 1.0)]
    assert (learned.of(longer, PITCH, 100) > 0).tolist() == [False] * 50 + [True] * 50


def test_what_was_hardly_heard_keeps_the_teachers_pitch() -> None:
    learned = Voicing.learn([(SEGMENTS, HEARD)], 100)
    unknown = [Segment("ZH", 0.0, 1.0)]
    assert (learned.of(unknown, PITCH, 100) > 0).all()


def test_steep_ends_of_a_voiced_stretch_go() -> None:
    f0 = np.array([0, 40, 80, 200, 201, 202, 150, 100, 0, 0, 90, 91], np.float32)
    assert without_slides(f0).tolist() == [0, 0, 0, 200, 201, 202, 0, 0, 0, 0, 90, 91]
    assert not without_slides(np.array([50, 100, 200], np.float32)).any()
