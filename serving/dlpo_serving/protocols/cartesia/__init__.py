"""Cartesia's API: speech over HTTP, server-sent events, and contexts on a WebSocket."""
