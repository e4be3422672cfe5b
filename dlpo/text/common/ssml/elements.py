"""The elements and attributes of SSML that are understood, and what they need."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dlpo.text.common.markup import LONGEST_S, STRENGTHS

MAX_VALUE = 2_000  # characters of one attribute, and of the text in say-as, phoneme and sub
ATTRIBUTES = {
    "speak": {"version", "onlangfailure"},
    "p": set(),
    "s": set(),
    "lang": {"onlangfailure"},
    "break": {"strength", "time"},
    "prosody": {"rate", "pitch", "volume"},
    "emphasis": {"level"},
    "say-as": {"interpret-as", "format", "detail"},
    "sub": {"alias"},
    "phoneme": {"alphabet", "ph", "type"},
    "mark": {"name"},
    "w": {"role"},
    "voice": {"name", "gender", "age", "variant", "required", "ordering", "onvoicefailure"},
}
PLAIN = "w"  # a word or words, and what is read as such
EMPTY = ("break", "mark")  # these hold nothing
SPOKEN_OTHERWISE = ("say-as", "sub", "phoneme")  # these hold text only, spoken differently
_NAMES_LANGUAGE = ("speak", "p", "s", "lang", "voice")  # these may have xml:lang
REQUIRED = {
    "lang": "xml:lang",
    "say-as": "interpret-as",
    "sub": "alias",
    "phoneme": "ph",
    "mark": "name",
    "voice": "name",
}
_INSTEAD = {
    "audio": "nothing is fetched; take it out, or put its text in its place",
    "lexicon": "nothing is fetched; send the words in the request's dictionary",
}
TIME = re.compile(r"\+?(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})(ms|s)")


def check_element(name: str, attributes: Mapping[str, str], outer: str | None) -> None:
    """Check an element by its name, its attributes and the name of the one around it.

    Raises:
        ValueError: what is wrong, and what was expected.
    """
    if name not in ATTRIBUTES:
        instead = _INSTEAD.get(name, f"expected {', '.join(ATTRIBUTES)}")
        raise ValueError(f"is not supported: {instead}")
    if (name == "speak") is not (outer is None):
        place = "inside" if outer else "outside"
        raise ValueError(f"is {place} of <speak>; expected one <speak> around everything")
    if outer in EMPTY or outer in SPOKEN_OTHERWISE:
        raise ValueError(f"is inside <{outer}>; expected no element there")
    for attribute, value in attributes.items():
        check_attribute(name, attribute, value)
    required = REQUIRED.get(name)
    if required and not attributes.get(required, "").strip():
        raise ValueError(f"lacks {required}; expected <{name} {required}=...>")


def check_attribute(name: str, attribute: str, value: str) -> None:
    """Raises ValueError if an element has no such attribute, or its value is too long."""
    if len(value) > MAX_VALUE:
        raise ValueError(f"{attribute} has {len(value)} characters; expected at most {MAX_VALUE}")
    if attribute == "xml:lang" and name in _NAMES_LANGUAGE:
        return
    is_xml = name == "speak" and attribute.startswith(("xmlns", "xsi:", "xml:"))
    if attribute not in ATTRIBUTES[name] and not is_xml:
        expected = ", ".join(sorted(ATTRIBUTES[name])) or "none"
        raise ValueError(f"attribute {attribute!r} is not supported; expected {expected}")


def break_seconds(attributes: Mapping[str, str]) -> float:
    """The length of ``<break strength= time=>``; a time overrides the strength.

    Raises:
        ValueError: what is wrong, and what was expected.
    """
    strength = attributes.get("strength", "medium")
    if strength not in STRENGTHS:
        raise ValueError(f"strength={strength!r}; expected {', '.join(STRENGTHS)}")
    if "time" not in attributes:
        return STRENGTHS[strength]
    match = TIME.fullmatch(attributes["time"].strip())
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else -1
    if not 0 <= seconds <= LONGEST_S:
        raise ValueError(
            f"time={attributes['time']!r}; expected at most {LONGEST_S:g}s, such as 0.5s or 250ms"
        )
    return seconds
