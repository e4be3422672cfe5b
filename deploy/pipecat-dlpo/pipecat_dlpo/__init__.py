"""Pipecat speaks through a dlpo server."""

from __future__ import annotations

from typing import Any

from pipecat.services.cartesia.tts import CartesiaTTSService

__all__ = ["DlpoTTSService"]


class DlpoTTSService(CartesiaTTSService):
    """Text in pieces, times of words, interruption, reconnection: over Cartesia's protocol.

    Args:
        url: of the server's HTTP port; with https the WebSocket is encrypted, too.
        voice: one of `dlpo voices`, or a mix such as `lj*0.6+nova*0.4`; by default the server's.
        api_key: one of the server's keys, if it has any.
        sample_rate: in Hz; by default that of the pipeline.
        options: further ones of `CartesiaTTSService`.
    """

    def __init__(
        self,
        *,
        url: str = "http://localhost:8080",
        voice: str = "",
        api_key: str = "none",
        sample_rate: int | None = None,
        **options: Any,
    ) -> None:
        options.setdefault("settings", CartesiaTTSService.Settings(voice=voice))
        socket = url.rstrip("/").replace("http", "ws", 1) + "/tts/websocket"
        super().__init__(api_key=api_key, url=socket, sample_rate=sample_rate, **options)
