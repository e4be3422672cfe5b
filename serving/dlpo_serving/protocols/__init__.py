"""What clients speak: one folder for each protocol, each with the same three modules.

requests    a message of the protocol -> `SynthesisCall`
replies     `AudioStream` -> messages of the protocol
server      the calls, or the port that takes them
"""
