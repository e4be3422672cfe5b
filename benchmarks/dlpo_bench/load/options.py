"""How a load run is made, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.voices import DEFAULT_VOICE


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the measurements may be told."""

    voice: str = DEFAULT_VOICE
    """a name or the path of a bundle"""
    engine: EngineName = "cpu"
    """of the server and of the offline comparison"""
    precision: EnginePrecision | None = None
    """of the denoiser; None is the engine's own"""
    server_options: tuple[str, ...] = ()
    """further options of the server, as words"""
    connections: int = 8
    """of the client, each its own TCP connection; calls take them in turn"""
    seed: int = 0
    """of texts and arrivals"""
    calls: int = 300
    """one after the other: first audio of one stream, and unloaded before the overload"""
    level_s: float = 20.0
    """length of each level of the search, after its listeners have all come"""
    ramp_s: float = 5.0
    """time over which the listeners of a level come"""
    attempts: int = 1
    """times that a level may be tried before it counts as failed; every try is recorded"""
    start_listeners: int = 8
    """first level of the search"""
    most_listeners: int = 256
    """highest level of the search"""
    capacity: int | None = None
    """streams in real time, for the overload; None measures it"""
    overload: float = 4.0
    """arrivals, as a multiple of what the capacity can serve"""
    overload_s: float = 30.0
    """how long they arrive"""
    places: int = 4
    """--max-streams of the server that is to be full"""
    refusals: int = 500
    """calls on a full server"""
    cancels: int = 200
    """streams cancelled on a full server"""
    requests: int = 20_000
    """of the soak"""
    workers: int = 12
    """calls at the same time in the soak"""
    others: int = 8
    """listeners meanwhile, where ways to the same audio are compared"""
    texts: int = 20
    """compared in every way"""
    concurrent: int = 50
    """streams at the same time, each compared with itself alone"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one measurement found."""

    figures: dict[str, float]
    """what tables quote"""
    samples: dict[str, Any] = field(default_factory=dict)
    """what they were computed from"""
