"""Options of `dlpo bench`: each class is both a command's options and what its measurement takes.

The CLI imports this module at its start, so it imports nothing heavy.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from dlpo.errors import InputError

PROTOCOLS, LOOPS = ("dlpo", "riva", "openai"), ("closed", "open")

BundleName = Annotated[str, Option(help="Name or path of a bundle.")]
Core = Annotated[int | None, Option(help="That it is held to; the last if left out.")]


@dataclass(kw_only=True)
class RtfOptions:
    """Real-time factors of the whole path from text to audio against the paper's sampler, in turns,
    with the same weights."""

    voice: BundleName = "lj"
    checkpoint: Annotated[Path, Option(help="That the voice was exported from.")] = Path(
        "voices/spectral/tuned"
    )
    steps: Annotated[
        int | None, Option(help="N of all but the paper's sampler; the voice's own.")
    ] = None
    contestant: Annotated[
        list[str], Option(help="Only these, such as eager-1000, cpu:int8; repeatable.")
    ] = field(default_factory=list)
    seconds: Annotated[
        list[float], Option(help="Length of a text in audio; repeatable. 1, 5, 20 and 60.")
    ] = field(default_factory=list)
    rounds: Annotated[int, Option(help="Runs of each on each text; 9, quick 5.")] = 0
    budget_s: Annotated[
        float,
        Option(
            help="For all rounds of one contestant on one text, 180 s, quick 20 s; beyond it"
            " eager-1000 is extrapolated from a slice of its steps, others are skipped."
        ),
    ] = 0.0
    threads: Annotated[int, Option(help="Of PyTorch; engines take one.")] = 1
    core: Core = None
    quick: Annotated[bool, Option("--quick", help="A minute or so: 1 and 5 s.")] = False

    def __post_init__(self) -> None:
        """What is left out becomes the preset's."""
        self.seconds = self.seconds or ([1.0, 5.0] if self.quick else [1.0, 5.0, 20.0, 60.0])
        self.rounds = self.rounds or (5 if self.quick else 9)
        self.budget_s = self.budget_s or (20.0 if self.quick else 180.0)


@dataclass(kw_only=True)
class PeersOptions:
    """Compare a voice with other speech engines, in turns on one core.

    A peer that is not installed is skipped, and the reason is shown.
    """

    voice: BundleName = "lj"
    precision: Annotated[str, Option(help="Of its denoiser, on cpu.")] = "int8"
    peer: Annotated[
        list[str],
        Option(help="dlpo-whole, hibari, kokoro, piper, espeak-ng or flite; repeatable; else all."),
    ] = field(default_factory=list)
    install: Annotated[
        list[str],
        Option(help="Install hibari or piper first, in an environment of its own; repeatable."),
    ] = field(default_factory=list)
    piper_voice: Annotated[
        Path | None, Option(help="A trained Piper voice (.onnx with its .json), not a random one.")
    ] = None
    kokoro: Annotated[
        Path | None,
        Option(help="Folder with kokoro.int8.onnx, vocab.json and voices/af_heart.bin."),
    ] = None
    rounds: Annotated[int, Option(min=2, help="Turns of each with each text.")] = 15
    core: Core = None


@dataclass(kw_only=True)
class ScalingOptions:
    """Show what longer texts cost in time and memory."""

    voice: BundleName = "lj"
    precision: Annotated[
        str | None, Option(help="Of its denoiser, on cpu; the voice's own if left out.")
    ] = None
    seconds: Annotated[list[float], Option(help="Length of a text in audio; repeatable.")] = field(
        default_factory=lambda: [5.0, 10.0, 20.0, 40.0, 60.0, 300.0]
    )
    rounds: Annotated[int, Option(min=2, help="Fresh processes for each.")] = 4
    core: Core = None


_server, _load, _single = (
    partial(Option, rich_help_panel=panel)
    for panel in ("Server", "How much", "One stream, soak and overload")
)


@dataclass(kw_only=True)
class LoadOptions:
    """Load a server from client processes: first audio, gaps, goodput, shed calls, and its knee.

    Ours is started for each measurement, or servers that run already are compared, in turns.
    """

    measurements: Annotated[
        list[str],
        Argument(
            help="latency, knee, tokens (the usual three); streams, overload, chaos, soak; or all."
        ),
    ] = field(default_factory=list)
    voice: Annotated[str, _server(help="Name or path of a bundle.")] = "lj"
    engine: Annotated[str, _server(help="Its engine.")] = "cpu"
    precision: Annotated[str | None, _server(help="Denoiser's.")] = None
    server_options: Annotated[str, _server(help='More for the server, as in "--lanes 2".')] = ""
    protocol: Annotated[
        list[str], _server(help="dlpo, riva or openai, of our server; repeatable, in turns.")
    ] = field(default_factory=lambda: ["dlpo"])
    against: Annotated[
        list[str],
        _server(
            help="A server that runs already: HOST:PORT of a Riva-compatible one, dlpo://HOST:PORT,"
            " or http://HOST:PORT/v1 of an OpenAI-compatible one, with ?voice= and ?model= where"
            " needed. Repeatable, in turns; no server is started then."
        ),
    ] = field(default_factory=list)
    clients: Annotated[int, _load(min=0, help="Client processes; 0: one a core.")] = 0
    connections: Annotated[int, _load(min=1, help="Of all clients; calls take turns.")] = 8
    loop: Annotated[list[str], _load(help="closed or open, of the knee; repeatable.")] = field(
        default_factory=lambda: ["closed", "open"]
    )
    rate: Annotated[
        list[float],
        _load(min=0.001, help="Arrivals per second, open loop; repeatable. A search if left out."),
    ] = field(default_factory=list)
    listeners: Annotated[
        list[int], _load(min=1, help="Closed loop; repeatable. A search if left out.")
    ] = field(default_factory=list)
    think_s: Annotated[float, _load(min=0, help="Mean from playback's end to the next call.")] = 0.0
    level_s: Annotated[float, _load(min=0.1, help="Seconds of each level.")] = 20.0
    ramp_s: Annotated[float, _load(min=0.01, help="Seconds before it.")] = 5.0
    first_audio_limit_ms: Annotated[float, _load(min=1, help="p95 up to which a level passes.")] = (
        300.0
    )
    attempts: Annotated[int, _load(min=1, help="Tries of a level of streams.")] = 1
    start_listeners: Annotated[int, _load(min=1, help="First level of streams.")] = 8
    most_listeners: Annotated[int, _load(min=1, help="Highest level of a search.")] = 256
    calls: Annotated[int, _single(min=1, help="Of latency, and unloaded.")] = 300
    replies: Annotated[int, _single(min=1, help="Of tokens.")] = 20
    tokens_per_s: Annotated[float, _single(min=0.1, help="A token is a word.")] = 20.0
    capacity: Annotated[
        int | None, _single(min=0, help="Streams, of overload; measured if left out.")
    ] = None
    overload: Annotated[float, _single(min=0.1, help="Arrivals, times the capacity.")] = 4.0
    overload_s: Annotated[float, _single(min=0.1, help="How long they arrive.")] = 30.0
    minutes: Annotated[float, _single(min=0.01, help="Of chaos.")] = 5.0
    requests: Annotated[int, _single(min=1, help="Of the soak.")] = 20_000
    workers: Annotated[int, _single(min=1, help="Concurrent calls of the soak.")] = 12
    seed: Annotated[int, _single(help="Of texts and arrivals.")] = 0

    def __post_init__(self) -> None:
        """0 client processes become one a core; raises InputError for an unknown name."""
        for name, known in (("protocol", PROTOCOLS), ("loop", LOOPS)):
            if unknown := set(getattr(self, name)) - set(known):
                raise InputError(f"{name} is {unknown.pop()!r}; expected {', '.join(known)}")
        self.clients = self.clients or len(os.sched_getaffinity(0))
