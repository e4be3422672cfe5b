"""What rows of all languages do with numbers and their words."""

from __future__ import annotations

from dlpo.text.common.forms import with_pause
from dlpo.text.common.roman import roman_value

pause_words = with_pause


def roman_words(numeral: str) -> str:
    """The digits of a roman numeral: ``"xiv"`` -> 14."""
    return str(roman_value(numeral.upper()))
