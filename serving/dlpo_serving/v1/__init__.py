"""The door of `dlpo.v1.SpeechService`: its messages, and the calls over gRPC.

servicer.SpeechServicer(...)       the calls
wire                               what both this door and our own clients know of the messages
"""
