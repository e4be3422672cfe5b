"""Rates, pitches and volumes, and how far they may go."""

from __future__ import annotations

import math

import pytest

from dlpo.text.common.ssml.prosody import ProsodyLimits, SpokenProsody, changed_prosody, emphasized

LIMITS = ProsodyLimits()
PLAIN = SpokenProsody()


def changed(prosody: SpokenProsody = PLAIN, **attributes: str) -> SpokenProsody:
    return changed_prosody(prosody, attributes, LIMITS)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"rate": "201%"},
            "rate='201%' makes the speed 2.01 of the request's own; expected 0.5 to 2",
        ),
        ({"rate": "-100%"}, "makes the speed 0 "),
        ({"pitch": "+7st"}, "makes the pitch 7 semitones"),
        ({"pitch": "-100%"}, "makes the pitch -inf semitones"),
        (
            {"volume": "+13dB"},
            "makes the volume 13 dB of the request's own; expected at most 12 dB",
        ),
        ({"rate": "quick"}, "rate='quick'; expected x-slow, slow"),
        ({"rate": "nan"}, "expected x-slow"),
        ({"pitch": "200Hz"}, "Hz is not supported"),
        ({"pitch": "20%"}, r"such as \+2st"),
        ({"volume": "50"}, "decibels"),
    ],
)
def test_wrong_values_say_what_is_expected(attributes: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed_prosody(PLAIN, attributes, LIMITS)


def test_emphasis_is_slower_higher_and_louder_or_the_opposite() -> None:
    strong, reduced = emphasized(PLAIN, "strong", LIMITS), emphasized(PLAIN, "reduced", LIMITS)
    assert strong.speed < 1 < reduced.speed
    assert strong.pitch_semitones > 0 > reduced.pitch_semitones
    assert strong.volume_db > 0 > reduced.volume_db
    assert emphasized(PLAIN, "none", LIMITS) == PLAIN


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ({}, {"rate": "120%"}, (1.2, 0, 0)), ({}, {"rate": "+20%"}, (1.2, 0, 0)),
        ({}, {"rate": "-25%"}, (0.75, 0, 0)), ({}, {"rate": "1.5"}, (1.5, 0, 0)),
        ({}, {"rate": " 100% ", "pitch": "default"}, (1, 0, 0)),
        ({}, {"pitch": "-1.5st"}, (1, -1.5, 0)), ({}, {"pitch": "3st"}, (1, 3, 0)),
        ({}, {"pitch": "-20%"}, (1, 12 * math.log2(0.8), 0)),
        ({}, {"volume": "-6.5dB"}, (1, 0, -6.5)), ({}, {"volume": "3dB"}, (1, 0, 3)),
        ({"volume": "silent"}, {"volume": "+6dB"}, (1, 0, -math.inf)),
        ({"rate": "80%", "pitch": "+2st", "volume": "-3dB"},
         {"rate": "150%", "pitch": "-1st", "volume": "+1dB"}, (1.2, 1, -2)),
    ],
)  # fmt: skip
def test_values_are_relative_to_the_element_around(
    outer: dict[str, str], inner: dict[str, str], expected: tuple[float, ...]
) -> None:
    assert changed(changed(**outer), **inner) == pytest.approx(expected)
