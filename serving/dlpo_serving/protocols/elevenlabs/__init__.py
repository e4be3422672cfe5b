"""ElevenLabs' API: speech with character timestamps over HTTP and WebSockets."""
