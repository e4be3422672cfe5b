"""Written web and e-mail addresses and phone numbers -> spoken words."""

from __future__ import annotations

import re

from dlpo.text.numbers import cardinal_words, digit_words

SIGN_NAMES = {
    ".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore", ":": "colon",
    "?": "question mark", "=": "equals", "&": "and", "#": "hash", "+": "plus", "%": "percent",
    "~": "tilde",
}  # fmt: skip
_TOP_LEVEL = (
    r"(?:com|org|net|edu|gov|mil|int|info|io|ai|dev|app|co|uk|us|eu|de|fr|ca|tv|me|biz|museum)"
)
_SPELLED_ENDINGS = {"io", "ai", "uk", "us", "eu", "de", "fr", "ca", "tv", "www"}
_HOST = r"(?:[A-Za-z0-9-]{1,63}\.){1,8}"
_PATH = r"[/?#:][^\s<>\"]{0,500}[\w/]|/"


def _address(match: re.Match[str]) -> list[str]:
    words: list[str] = []
    written = re.sub("^https?://", "", match[0])
    for part in re.findall(r"[A-Za-z]+|\d+|[^\w\s]|_", written.rstrip("/")):
        if part in SIGN_NAMES:
            words += SIGN_NAMES[part].split()
        elif part.lower() in _SPELLED_ENDINGS and words:
            words += list(part.upper())
        elif part == "www":
            words += ["W", "W", "W"]
        elif part.isdigit():
            words += cardinal_words(part) if len(part) < 3 else digit_words(part)
        elif part.isalpha():
            words.append(part.lower() if len(part) > 1 else part.upper())
    return words


def _phone(match: re.Match[str]) -> list[str]:
    return (["plus"] if match[0].startswith("+") else []) + digit_words(match[0])


FORMS = {
    "email": (rf"(?<!\w)[\w.+%-]{{1,64}}@{_HOST}[A-Za-z]{{2,24}}(?!\w)", _address),
    "address": (
        r"(?<![\w@])(?:https?://[^\s<>\"]{1,500}[\w/]"
        rf"|www\.{_HOST}[A-Za-z]{{2,24}}(?:{_PATH})?|{_HOST}{_TOP_LEVEL}(?![\w-])(?:{_PATH})?)",
        _address,
    ),
    "phone": (
        r"(?<![\w.])(?:\+?\d{1,3}[ .-])?(?:\(\d{3}\)\s?|\d{3}[ .-])\d{3}[ .-]\d{4}\b"
        r"|(?<![\w.])\+\d{1,3}(?:[ .-]?\d{2,4}){2,5}\b|(?<![\w.-])\d{3}-\d{4}\b(?!-)",
        _phone,
    ),
}
"""Name of the form -> (pattern, function from its match to the spoken words)."""
