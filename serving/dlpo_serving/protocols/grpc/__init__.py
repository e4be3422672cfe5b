"""`dlpo.v1.SpeechService`, our own gRPC API."""
