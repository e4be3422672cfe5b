"""What clients speak: a module for each API, or a folder if it is large, with a record in `apis`.

A folder has the same modules:

requests    a message of the protocol -> `SynthesisCall`
replies     `AudioStream` -> messages of the protocol
server      the calls, the record, or the port that takes them
"""
