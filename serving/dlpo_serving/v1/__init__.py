"""`dlpo.v1.SpeechService`, the server's own gRPC API: its calls and messages.

servicer.SpeechServicer(...)       the calls
wire                               message conversions shared by the server and our own clients
"""
