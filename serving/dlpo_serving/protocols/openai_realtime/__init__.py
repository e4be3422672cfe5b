"""OpenAI's Realtime API, for text in and audio out on a WebSocket."""
