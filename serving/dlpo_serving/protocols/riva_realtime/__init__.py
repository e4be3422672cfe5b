"""NVIDIA Riva's realtime API: text in and audio out on a WebSocket."""
