"""LiveKit Agents speak through a dlpo server."""

from __future__ import annotations

import logging
from typing import Any

from livekit.agents import Plugin
from livekit.plugins import cartesia

__version__ = "1.1.0"
__all__ = ["TTS", "__version__"]


class TTS(cartesia.TTS):
    """Text in pieces, times of words, interruption, reconnection: over Cartesia's protocol.

    Args:
        url: of the server's HTTP port; with https the WebSocket is encrypted, too.
        voice: one of `dlpo voices`, or a mix such as `lj*0.6+nova*0.4`; by default the server's.
        api_key: one of the server's keys, if it has any.
        sample_rate: in Hz.
        options: further ones of `livekit.plugins.cartesia.TTS`.
    """

    def __init__(
        self,
        *,
        url: str = "http://localhost:8080",
        voice: str = "",
        api_key: str = "none",
        sample_rate: int = 24_000,
        **options: Any,
    ) -> None:
        super().__init__(
            base_url=url.rstrip("/"), voice=voice, api_key=api_key, sample_rate=sample_rate,
            **options,
        )  # fmt: skip

    @property
    def provider(self) -> str:
        return "dlpo"


class _DlpoPlugin(Plugin):
    def __init__(self) -> None:
        super().__init__(__name__, __version__, __package__ or "", logging.getLogger(__name__))


Plugin.register_plugin(_DlpoPlugin())
