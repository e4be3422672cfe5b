"""What a corpus with sound says of one without: which frames are voiced."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recipe.speech.voicing import Voicing, without_slides
from tests.recipe.test_boundaries import Segment

SEGMENTS = [
    Segment("sil", 0.0, 0.2),
    Segment("S", 0.2, 0.6),
    Segment("AA1", 0.6, 1.0),
]
HEARD = np.r_[np.zeros(60, bool), np.ones(40, bool)]  # 100 frames a second
PITCH = np.full(100, 120, np.float32)


def test_phones_are_voiced_where_they_were_heard_so(tmp_path: Path) -> None:
    Voicing.learn([(SEGMENTS, HEARD)] * 20, 100).write(tmp_path / "voicing.json")
    found = Voicing.read(tmp_path / "voicing.json").of(SEGMENTS, PITCH, 100)
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
