"""Servers under load: `dlpo bench stream`. Definitions of the figures: docs/load.md.

`calls` speaks each protocol and simulates the listener's audio device, `servers` starts ours or
names others and reads their meters, `levels` makes load from client processes. `capacity`, `single`
and `soak` are the measurements; `measurements` lists them by name.
"""
