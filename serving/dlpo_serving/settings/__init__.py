"""A server's settings, and the sources they are read from.

server_settings.ServerSettings    every setting, with unit, default and bounds
sources.read_settings             from flags, the environment and a TOML file
"""

from __future__ import annotations
