"""Servers under load: `dlpo bench stream`. Definitions of the figures: docs/load.md.

`calls` speaks each protocol and simulates the listener's audio device, `servers` starts ours or
names others and reads their meters, `levels` makes load from client processes. `single`, `chaos`
and `capacity`, which lists all by name, are the measurements.
"""
