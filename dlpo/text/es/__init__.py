"""Spanish: that of the Americas, and with distinción that of Spain."""

from __future__ import annotations

from dlpo.text.common.language import Language


def open_language(code: str) -> Language:
    """Load it, which importing one of its modules doesn't; ``es-ES`` tells z and soft c from s."""
    from dlpo.text.es.language import Spanish

    return Spanish(code)
