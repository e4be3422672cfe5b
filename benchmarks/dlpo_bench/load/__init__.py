"""What the server does under load: first audio, streams in real time, refusals, memory, equality.

A real server process is driven over loopback by grpc.aio clients in this process. See docs/load.md.
"""
