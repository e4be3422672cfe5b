"""The server that a run of chaos attacks, and how long things take in one."""

from __future__ import annotations

from dataclasses import dataclass

ATTACK_S = 4.0  # duration of each kind
CALL_S = 60.0  # within which an honest call must be answered


@dataclass(frozen=True, slots=True)
class Target:
    """The server's ports and the clients' keys."""

    address: str
    http_port: int
    honest: str
    hostile: str
