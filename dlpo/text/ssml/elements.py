"""The supported elements and attributes of SSML, where each may occur, and the length of pauses."""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_VALUE = 2_000  # characters of one attribute, and of the text in say-as, phoneme and sub
ATTRIBUTES = {
    "speak": {"version", "onlangfailure"},
    "p": set(),
    "s": set(),
    "break": {"strength", "time"},
    "prosody": {"rate", "pitch", "volume"},
    "emphasis": {"level"},
    "say-as": {"interpret-as", "format", "detail"},
    "sub": {"alias"},
    "phoneme": {"alphabet", "ph", "type"},
    "mark": {"name"},
}
EMPTY = ("break", "mark")  # these hold nothing
SPOKEN_OTHERWISE = ("say-as", "sub", "phoneme")  # these hold text only, spoken differently
_REQUIRED = {"say-as": "interpret-as", "sub": "alias", "phoneme": "ph", "mark": "name"}
_INSTEAD = {
    "audio": "nothing is fetched; take it out, or put its text in its place",
    "voice": "choose the voice in the request; another voice's text is a request of its own",
    "lang": "this voice speaks English only; take the other language out",
    "lexicon": "nothing is fetched; send the words in the request's dictionary",
}


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
        _check_attribute(name, attribute, value)
    required = _REQUIRED.get(name)
    if required and not attributes.get(required, "").strip():
        raise ValueError(f"lacks {required}; expected <{name} {required}=...>")


def _check_attribute(name: str, attribute: str, value: str) -> None:
    if len(value) > MAX_VALUE:
        raise ValueError(f"{attribute} has {len(value)} characters; expected at most {MAX_VALUE}")
    if attribute == "xml:lang" and name in ("speak", "p", "s"):
        if value.partition("-")[0].lower() != "en":
            raise ValueError(f"xml:lang={value!r}; this voice speaks English only")
        return
    is_xml = name == "speak" and attribute.startswith(("xmlns", "xsi:", "xml:"))
    if attribute not in ATTRIBUTES[name] and not is_xml:
        expected = ", ".join(sorted(ATTRIBUTES[name])) or "none"
        raise ValueError(f"attribute {attribute!r} is not supported; expected {expected}")


MAX_BREAK_S = 10.0  # of one
MAX_PAUSES_S = 300.0  # of a document: silence is cheap to ask for
_STRENGTHS = {
    "none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 0.8, "x-strong": 1.2,
}  # fmt: skip
_TIME = re.compile(r"\+?(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})(ms|s)")


def break_seconds(attributes: Mapping[str, str]) -> float:
    """Of ``<break strength= time=>``; the time goes before the strength.

    Raises:
        ValueError: what is wrong, and what was expected.
    """
    strength = attributes.get("strength", "medium")
    if strength not in _STRENGTHS:
        raise ValueError(f"strength={strength!r}; expected {', '.join(_STRENGTHS)}")
    if "time" not in attributes:
        return _STRENGTHS[strength]
    match = _TIME.fullmatch(attributes["time"].strip())
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else -1
    if not 0 <= seconds <= MAX_BREAK_S:
        raise ValueError(
            f"time={attributes['time']!r}; expected at most {MAX_BREAK_S:g}s, such as 0.5s or 250ms"
        )
    return seconds
