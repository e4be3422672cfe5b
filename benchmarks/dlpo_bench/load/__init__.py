"""Servers under load: `dlpo bench stream`. docs/speed.md defines the figures.

`calls` speaks each protocol and simulates the listener's audio device, `servers` starts ours or
connects to others and reads their metrics, `levels` generates load from client processes. `single`,
`chaos` and `capacity` are the measurements; `capacity` also lists them all by name.
"""
