"""F0 is compared in cents, and decisions on voicing by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo_export.parity.check import difference
from dlpo_export.parity.metrics import f0_error_cents, wrong_voicing

EXPECTED = np.array([[0.0, 200.0, 220.0, 240.0, 0.0]], np.float32)


@pytest.mark.parametrize("cents", [-30.0, 4.0])
def test_a_shift_of_all_frames_is_its_own_rms(cents: float) -> None:
    made = EXPECTED * 2 ** (cents / 1200)
    assert f0_error_cents(made, EXPECTED) == pytest.approx(abs(cents), abs=0.01)
    assert wrong_voicing(made, EXPECTED) == 0


def test_frames_with_another_voicing_are_counted_but_have_no_cents() -> None:
    made = EXPECTED.copy()
    made[0, 0], made[0, 1] = 500.0, 0.0
    assert f0_error_cents(made, EXPECTED) == 0
    assert wrong_voicing(made, EXPECTED) == pytest.approx(2 / 5)


def test_without_a_voiced_frame_there_is_no_error() -> None:
    assert f0_error_cents(0 * EXPECTED, EXPECTED) == 0


def test_f0_that_is_a_quarter_of_a_semitone_off_is_refused() -> None:
    made = EXPECTED * np.float32(2 ** (25 / 1200))
    found = difference("frames", "int8", "f0", [(made, EXPECTED)])
    assert found.failure() == "is 25.0 cents off, tolerance 20.0 cents"


def test_f0_that_is_voiced_elsewhere_is_refused() -> None:
    made = EXPECTED.copy()
    made[0, 0] = 200.0
    found = difference("frames", "int8", "f0", [(made, EXPECTED)])
    assert found.failure() == (
        "is voiced in one and not in the other in 20.0% of the frames, tolerance 3.0%"
    )
