"""American English."""

from __future__ import annotations

from dlpo.text.common.language import Language
from dlpo.text.en_us.language import AmericanEnglish


def open_language(code: str = "en-US") -> Language:
    """Load it."""
    return AmericanEnglish()
