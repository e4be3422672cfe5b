"""Rates, pitches and volumes, and how far they may go."""

from __future__ import annotations

import math

import pytest

from dlpo.text.ssml.prosody import Prosody, ProsodyLimits, changed_prosody, emphasised

LIMITS = ProsodyLimits()
PLAIN = Prosody()


def changed(prosody: Prosody = PLAIN, **attributes: str) -> Prosody:
    return changed_prosody(prosody, attributes, LIMITS)


@pytest.mark.parametrize(
    ("rate", "speed"),
    [("medium", 1), ("120%", 1.2), ("+20%", 1.2), ("-25%", 0.75), ("1.5", 1.5), (".8", 0.8),
     ("default", 1), (" 100% ", 1)],
)  # fmt: skip
def test_rates_are_factors(rate: str, speed: float) -> None:
    assert changed(rate=rate).speed == pytest.approx(speed)


@pytest.mark.parametrize(
    ("pitch", "semitones"),
    [("medium", 0), ("+2st", 2), ("-1.5st", -1.5), ("3st", 3), ("+25%", 12 * math.log2(1.25)),
     ("-20%", 12 * math.log2(0.8)), ("default", 0)],
)  # fmt: skip
def test_pitches_are_semitones(pitch: str, semitones: float) -> None:
    assert changed(pitch=pitch).pitch_semitones == pytest.approx(semitones)


@pytest.mark.parametrize(
    ("volume", "decibels"),
    [("medium", 0), ("+6dB", 6), ("-6.5dB", -6.5), ("3dB", 3), ("silent", -math.inf)],
)
def test_volumes_are_decibels(volume: str, decibels: float) -> None:
    assert changed(volume=volume).volume_db == decibels


def test_labels_rise_from_step_to_step() -> None:
    rates = [changed(rate=r).speed for r in ("x-slow", "slow", "medium", "fast", "x-fast")]
    pitches = [changed(pitch=p).pitch_semitones for p in ("x-low", "low", "medium", "high")]
    volumes = [changed(volume=v).volume_db for v in ("silent", "x-soft", "soft", "medium", "loud")]
    for levels in (rates, pitches, volumes):
        assert levels == sorted(set(levels))


def test_elements_in_one_another_multiply() -> None:
    inner = changed(changed(rate="80%", pitch="+2st", volume="-3dB"), rate="150%", pitch="-1st",
                    volume="+1dB")  # fmt: skip
    assert inner == pytest.approx((1.2, 1.0, -2.0))


def test_silence_is_not_made_louder() -> None:
    assert changed(changed(volume="silent"), volume="+6dB").volume_db == -math.inf


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"rate": "201%"},
            "rate='201%' makes the speed 2.01 of the request's own; expected 0.5 to 2",
        ),
        ({"rate": "0"}, "makes the speed 0 "),
        ({"rate": "-100%"}, "makes the speed 0 "),
        ({"pitch": "+7st"}, "makes the pitch 7 semitones"),
        ({"pitch": "-100%"}, "makes the pitch -inf semitones"),
        (
            {"volume": "+13dB"},
            "makes the volume 13 dB of the request's own; expected at most 12 dB",
        ),
        ({"rate": "quick"}, "rate='quick'; expected x-slow, slow"),
        ({"rate": "+1.2"}, "expected x-slow"),
        ({"rate": "nan"}, "expected x-slow"),
        ({"rate": "1e9"}, "expected x-slow"),
        ({"rate": ""}, "expected x-slow"),
        ({"pitch": "200Hz"}, "Hz is not supported"),
        ({"pitch": "20%"}, r"such as \+2st"),
        ({"volume": "50"}, "decibels"),
        ({"volume": "6db"}, "decibels"),
    ],
)
def test_wrong_values_say_what_is_expected(attributes: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed_prosody(PLAIN, attributes, LIMITS)


def test_limits_hold_for_all_elements_together() -> None:
    with pytest.raises(ValueError, match=r"makes the speed 2\.25"):
        changed(changed(rate="150%"), rate="150%")


def test_a_limit_itself_is_within() -> None:
    limits = ProsodyLimits(speed=(0.5 / 1.1, 2 / 1.1))
    assert changed_prosody(PLAIN, {"rate": "181.81818%"}, limits).speed < 2 / 1.1


def test_emphasis_is_slower_higher_and_louder_or_the_opposite() -> None:
    strong, reduced = emphasised(PLAIN, "strong", LIMITS), emphasised(PLAIN, "reduced", LIMITS)
    assert strong.speed < 1 < reduced.speed
    assert strong.pitch_semitones > 0 > reduced.pitch_semitones
    assert strong.volume_db > 0 > reduced.volume_db
    assert emphasised(PLAIN, "none", LIMITS) == PLAIN


def test_emphasis_stays_within_the_limits() -> None:
    edge = Prosody(0.5, 6.0, 12.0)
    assert emphasised(edge, "strong", LIMITS) == edge


def test_unknown_emphasis_is_refused() -> None:
    with pytest.raises(ValueError, match="level='huge'; expected strong, moderate, none, reduced"):
        emphasised(PLAIN, "huge", LIMITS)
