"""How a load run is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf
from typing import Any, get_args

from dlpo.errors import InputError
from dlpo_bench.load.calls import ProtocolName
from dlpo_bench.load.levels import Loop
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.voices import DEFAULT_VOICE


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Settings of all measurements."""

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
    """one after the other: latency, and unloaded calls before the overload"""
    starts: int = 10
    """of a cold process"""
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
    minutes: float | None = None
    """length of the soak, in the place of `requests`"""
    workers: int = 12
    """calls at the same time in the soak"""
    against: tuple[str, ...] = ()
    """servers that run already, as `parse_against` reads them; none starts ours"""
    protocols: tuple[ProtocolName, ...] = ("dlpo",)
    """of our own server; each is a contestant"""
    loops: tuple[Loop, ...] = ("closed", "open")
    """in which the knee is searched"""
    clients: int = 1
    """client processes that make the load"""
    rates: tuple[float, ...] = ()
    """arrivals per second, open loop: play these in the place of a search"""
    listeners: tuple[int, ...] = ()
    """closed loop: likewise"""
    think_s: float = 0.0
    """closed loop: mean of the time between hearing the end and calling again"""
    first_audio_limit_ms: float = 300.0
    """p95 of first audio up to which a level passes"""
    replies: int = 20
    """of a language model that are spoken while they come"""
    tokens_per_s: float = 20.0
    """of the language model; a token is a word here"""

    def __post_init__(self) -> None:
        """Raises InputError for a value that can't be used."""
        for name, values, known in (
            ("engine", (self.engine,), get_args(EngineName)),
            ("precision", (self.precision,), (None, *get_args(EnginePrecision))),
            ("protocol", self.protocols, get_args(ProtocolName)),
            ("loop", self.loops, get_args(Loop)),
        ):
            if unknown := set(values) - set(known):
                expected = ", ".join(filter(None, known))
                raise InputError(f"{name} is {unknown.pop()!r}; expected one of {expected}")
        for name in ("rates", "listeners"):
            if any(not 0 < value < inf for value in getattr(self, name)):
                raise InputError(f"{name} are {getattr(self, name)}; expected numbers above 0")
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, int | float) and not 0 <= value < inf:
                raise InputError(f"{one.name} is {value}; expected a number that is not negative")
        for name in (
            "connections", "calls", "starts", "level_s", "ramp_s", "attempts", "start_listeners",
            "most_listeners", "overload_s", "overload", "places", "requests", "workers",
            "clients", "replies", "tokens_per_s", "refusals", "cancels",
        ):  # fmt: skip
            if not getattr(self, name):
                raise InputError(f"{name} is 0; expected more")


def read_options(given: Mapping[str, Any], numbers: Sequence[str]) -> LoadOptions:
    """Options of a command line.

    Args:
        given: name -> value; None and what is left out have their defaults.
        numbers: further ones, as in "places=8".

    Raises:
        InputError: there is no such number, or it can't be used.
    """
    found = {name: value for name, value in given.items() if value is not None}
    settable: dict[str, type[int] | type[float]] = {"capacity": int}
    for one in fields(LoadOptions):
        if one.name not in given and isinstance(one.default, int | float):
            settable[one.name] = type(one.default)
    for text in numbers:
        name, _, value = text.partition("=")
        if name not in settable:
            raise InputError(f"--set {text}: expected NAME=NUMBER, of {', '.join(settable)}")
        try:
            found[name] = settable[name](value)
        except ValueError as error:
            kind = "a whole number" if settable[name] is int else "a number"
            raise InputError(f"--set {text}: expected {kind}") from error
    return LoadOptions(**found)
