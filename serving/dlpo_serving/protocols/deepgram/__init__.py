"""Deepgram's API: `/v1/speak` over HTTP and as a WebSocket."""
