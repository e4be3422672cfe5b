"""Spanish: that of the Americas, and with distinción that of Spain."""

from __future__ import annotations

from dlpo.text.common.language import Language
from dlpo.text.es.language import Spanish


def open_language(code: str) -> Language:
    """Load it; ``es-ES`` tells z and soft c from s."""
    return Spanish(code)
