"""American English."""

from __future__ import annotations

from dlpo.text.common.language import Language


def open_language(code: str = "en-US") -> Language:
    """Load it, which importing one of its modules doesn't."""
    from dlpo.text.en_us.language import AmericanEnglish

    return AmericanEnglish()
