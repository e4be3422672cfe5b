"""How fast, how high and how loud: what `prosody` and `emphasis` ask for.

Every value is relative to the element around it, and in the end to the request's own.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dlpo.text.common.tables import Tables

_TABLE = Tables(__file__).table("prosody")
_LEVELS = {  # attribute -> its named values: factors, semitones, decibels
    attribute: {name: float(row[column]) for name, row in _TABLE.items() if row[column]}
    for column, attribute in enumerate(("rate", "pitch", "volume"))
}
_NUMBER = r"(\d{1,5}(?:\.\d{1,5})?|\.\d{1,5})"
_RATE = re.compile(rf"([+-]?){_NUMBER}(%?)")
_PITCH = re.compile(rf"([+-]?){_NUMBER}(st|%)")
_VOLUME = re.compile(rf"([+-]?){_NUMBER}dB")
_HERTZ = re.compile(rf"([+-]?){_NUMBER}\s?[Hh]z")
_USUAL_HZ = 200.0  # of a voice whose pitch nobody has measured


class SpokenProsody(NamedTuple):
    """Relative to the request's own."""

    speed: float = 1.0
    pitch_semitones: float = 0.0
    volume_db: float = 0.0


@dataclass(frozen=True, slots=True)
class ProsodyLimits:
    """How far a document may go from the request's own speed, pitch and volume."""

    speed: tuple[float, float] = (0.5, 2.0)
    pitch_semitones: tuple[float, float] = (-6.0, 6.0)
    volume_db: tuple[float, float] = (-math.inf, 12.0)


_EMPHASIS = {
    "strong": SpokenProsody(0.85, 1.5, 3.0),
    "moderate": SpokenProsody(0.92, 0.75, 1.5),
    "none": SpokenProsody(),
    "reduced": SpokenProsody(1.1, -0.75, -3.0),
}


def changed_prosody(
    prosody: SpokenProsody, attributes: Mapping[str, str], limits: ProsodyLimits
) -> SpokenProsody:
    """The prosody inside ``<prosody rate= pitch= volume=>``.

    Raises:
        ValueError: a value is no rate, pitch or volume, or exceeds the limits.
    """
    for attribute, (field, combine, parse, unit) in _ATTRIBUTES.items():
        if attribute in attributes:
            before: float = getattr(prosody, field)
            written = attributes[attribute].strip()
            named = _LEVELS[attribute].get(written)
            value = combine(before, parse(written) if named is None else named)
            low, high = getattr(limits, field)
            if not low - 1e-9 <= value <= high + 1e-9:  # sums of decimals
                expected = f"at most {high:g}" if math.isinf(low) else f"{low:g} to {high:g}"
                raise ValueError(
                    f"{attribute}={attributes[attribute]!r} makes the {field.partition('_')[0]}"
                    f" {value:g}{unit} of the request's own; expected {expected}{unit}"
                )
            prosody = prosody._replace(**{field: value})
    return prosody


def emphasized(prosody: SpokenProsody, level: str, limits: ProsodyLimits) -> SpokenProsody:
    """The prosody inside ``<emphasis level=>``, as far as the limits allow.

    Raises:
        ValueError: there is no such level.
    """
    change = _EMPHASIS.get(level)
    if change is None:
        raise ValueError(f"level={level!r}; expected {', '.join(_EMPHASIS)}")
    for field, combine, _, _ in _ATTRIBUTES.values():
        low, high = getattr(limits, field)
        value = combine(getattr(prosody, field), getattr(change, field))
        prosody = prosody._replace(**{field: min(max(value, low), high)})
    return prosody


def lenient_value(attribute: str, value: str, around: SpokenProsody, limits: ProsodyLimits) -> str:
    """A value of ``<prosody>`` as others write it, as the nearest one that can be followed.

    Hertz are measured from a usual voice; a contour is its mean; values beyond a limit are the
    limit. What isn't one of these is returned as it is.
    """
    value = value.strip()
    if attribute == "pitch":
        return _lenient_pitch(value, around, limits)
    if attribute == "volume":
        return _lenient_volume(value)
    if attribute == "rate" and (match := _RATE.fullmatch(value)):
        number = float(match[1] + match[2]) / (100 if match[3] else 1)
        factor = 1 + number if match[1] else number
        low, high = limits.speed
        return f"{min(max(factor, low / around.speed), high / around.speed):.5g}"
    return value


def _lenient_pitch(value: str, around: SpokenProsody, limits: ProsodyLimits) -> str:
    points = re.findall(r"\(\s*[\d.]+%\s*,\s*([^()\s]{1,12})\s*\)", value)
    if points:
        found = [_semitones(point) for point in points]
        semitones = None if None in found else sum(filter(None, found)) / len(found)
    else:
        semitones = _semitones(value)
    if semitones is None:
        return value
    low, high = (limit - around.pitch_semitones for limit in limits.pitch_semitones)
    return f"{min(max(semitones, low), high):+.4f}st"


def _semitones(value: str) -> float | None:
    if match := _HERTZ.fullmatch(value):
        hertz = float(match[2])
        if match[1]:
            hertz = _USUAL_HZ + float(match[1] + match[2])
        return 12 * math.log2(max(hertz, 20.0) / _USUAL_HZ)
    try:
        return _LEVELS["pitch"][value] if value in _LEVELS["pitch"] else _pitch(value)
    except ValueError:
        return None


def _lenient_volume(value: str) -> str:
    """Azure's volumes: 0 to 100, and changes in percent."""
    match = re.fullmatch(rf"([+-]?){_NUMBER}(%?)", value)
    if match is None:
        return value
    number = float(match[1] + match[2])
    share = 1 + number / 100 if match[1] else number / 100
    return f"{20 * math.log10(share):+.2f}dB" if share > 0 else "silent"


def _rate(value: str) -> float:
    match = _RATE.fullmatch(value)
    if match is None or (match[1] and not match[3]):
        raise ValueError(
            f"rate={value!r}; expected {', '.join(_LEVELS['rate'])}, a percentage such as 120%,"
            " a change such as +20%, or a factor such as 1.2"
        )
    number = float(match[1] + match[2]) / (100 if match[3] else 1)
    return 1 + number if match[1] else number


def _pitch(value: str) -> float:
    match = _PITCH.fullmatch(value)
    number = math.nan
    if match and (match[1] or match[3] == "st"):
        number = float(match[1] + match[2])
        if match[3] == "%":
            number = 12 * math.log2(1 + number / 100) if number > -100 else -math.inf
    if math.isnan(number):
        raise ValueError(
            f"pitch={value!r}; expected {', '.join(_LEVELS['pitch'])}, semitones such as +2st or"
            " a change such as -10% (Hz is not supported)"
        )
    return number


def _volume(value: str) -> float:
    match = _VOLUME.fullmatch(value)
    if match is None:
        names = ", ".join(_LEVELS["volume"])
        raise ValueError(f"volume={value!r}; expected {names}, or decibels: +6dB")
    return float(match[1] + match[2])


_ATTRIBUTES: dict[str, tuple[str, Callable[[float, float], float], Callable[[str], float], str]] = {
    "rate": ("speed", operator.mul, _rate, ""),
    "pitch": ("pitch_semitones", operator.add, _pitch, " semitones"),
    "volume": ("volume_db", operator.add, _volume, " dB"),
}  # attribute -> field, how it combines with the element around, parser, unit
