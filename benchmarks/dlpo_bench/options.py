"""Options of `dlpo bench`: each class holds a command's options and is passed to its measurement.

The CLI imports this module on startup, so it imports nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from dlpo.bundle import DEFAULT_VOICE
from dlpo.errors import InputError
from dlpo.operating_system import usable_cores

PROTOCOLS, LOOPS = ("dlpo", "riva", "openai"), ("closed", "open")

BundleName = Annotated[str, Option(help="Voice name or bundle path.")]
Core = Annotated[int | None, Option(help="Core to pin to; by default, the last.")]
_server, _load, _single = (
    partial(Option, rich_help_panel=panel)
    for panel in ("Server", "Load", "One stream, soak and overload")
)


@dataclass(kw_only=True)
class RtfOptions:
    """Measure real-time factors from text to audio against the paper's sampler, in turns, with the
    same weights."""

    voice: BundleName = DEFAULT_VOICE
    checkpoint: Annotated[Path, Option(help="Checkpoint that the voice was exported from.")] = Path(
        "voices/spectral/tuned"
    )
    steps: Annotated[
        int | None, Option(help="Steps of all but the paper's sampler; default: the voice's.")
    ] = None
    contestant: Annotated[
        list[str], Option(help="Run only this, such as eager-1000 or cpu:int8; repeatable.")
    ] = field(default_factory=list)
    seconds: Annotated[
        list[float], Option(help="Audio length of a text; repeatable. Default: 1, 5, 20, 60.")
    ] = field(default_factory=list)
    rounds: Annotated[int, Option(help="Runs per contestant and text; default: 9, quick 5.")] = 0
    budget_s: Annotated[
        float,
        Option(
            help="Limit for all rounds of a contestant on a text; 180 s, quick 20 s. Beyond it,"
            " eager-1000 is extrapolated from a slice of its steps, others are skipped."
        ),
    ] = 0.0
    threads: Annotated[int, Option(help="PyTorch threads; engines use one.")] = 1
    core: Core = None
    quick: Annotated[bool, Option("--quick", help="Short run, about a minute: 1 and 5 s.")] = False

    def __post_init__(self) -> None:
        """Fill unset options from the preset."""
        self.seconds = self.seconds or ([1.0, 5.0] if self.quick else [1.0, 5.0, 20.0, 60.0])
        self.rounds = self.rounds or (5 if self.quick else 9)
        self.budget_s = self.budget_s or (20.0 if self.quick else 180.0)


@dataclass(kw_only=True)
class PeersOptions:
    """Compare a voice with other speech engines, in turns on one core.

    A peer that is not installed is skipped and the reason shown.
    """

    voice: BundleName = DEFAULT_VOICE
    precision: Annotated[str, Option(help="Denoiser precision on cpu.")] = "int8"
    peer: Annotated[
        list[str],
        Option(help="dlpo-whole, hibari, kokoro, piper, espeak-ng or flite; repeatable; else all."),
    ] = field(default_factory=list)
    install: Annotated[
        list[str],
        Option(help="Install hibari or piper first, in a separate environment; repeatable."),
    ] = field(default_factory=list)
    piper_voice: Annotated[Path | None, Option(help="Piper voice: an .onnx with its .json.")] = None
    kokoro: Annotated[
        Path | None,
        Option(help="Folder with kokoro.int8.onnx, vocab.json and voices/af_heart.bin."),
    ] = None
    rounds: Annotated[int, Option(min=2, help="Turns per contestant and text.")] = 15
    speak: Annotated[
        Path | None,
        Option(help="Time nothing: let each speak --texts into this folder, for `dlpo eval`."),
    ] = None
    texts: Annotated[
        Path | None, Option(exists=True, help="Text file, one sentence per line, for --speak.")
    ] = None
    core: Core = None


@dataclass(kw_only=True)
class ScalingOptions:
    """Measure what longer texts cost in time and memory."""

    voice: BundleName = DEFAULT_VOICE
    precision: Annotated[
        str | None, Option(help="Denoiser precision on cpu; by default, the voice's own.")
    ] = None
    seconds: Annotated[list[float], Option(help="Audio length of a text; repeatable.")] = field(
        default_factory=lambda: [5.0, 10.0, 20.0, 40.0, 60.0, 300.0]
    )
    rounds: Annotated[int, Option(min=2, help="Fresh processes per length.")] = 4
    core: Core = None


@dataclass(kw_only=True)
class LoadOptions:
    """Load a server from client processes: first audio, gaps, goodput, shed calls and its knee.

    Each measurement starts our own server, or compares servers already running, in turns.
    """

    measurements: Annotated[
        list[str],
        Argument(
            help="latency, knee, tokens (the default); streams, overload, chaos, soak; or all."
        ),
    ] = field(default_factory=list)
    voice: Annotated[str, _server(help="Voice name or bundle path.")] = DEFAULT_VOICE
    engine: Annotated[str, _server(help="Engine of the server.")] = "cpu"
    precision: Annotated[str | None, _server(help="Denoiser precision.")] = None
    server_options: Annotated[str, _server(help='More server options, as in "--lanes 2".')] = ""
    protocol: Annotated[
        list[str], _server(help="dlpo, riva or openai, for our server; repeatable, in turns.")
    ] = field(default_factory=lambda: ["dlpo"])
    against: Annotated[
        list[str],
        _server(
            help="Running server to measure instead of our own: HOST:PORT (Riva-compatible),"
            " dlpo://HOST:PORT or http://HOST:PORT/v1 (OpenAI-compatible), with ?voice= and"
            " ?model= where needed. Repeatable, in turns."
        ),
    ] = field(default_factory=list)
    clients: Annotated[int, _load(min=0, help="Client processes; 0: one per core.")] = 0
    connections: Annotated[int, _load(min=1, help="Total connections; calls rotate over them.")] = 8
    loop: Annotated[list[str], _load(help="closed or open, for the knee; repeatable.")] = field(
        default_factory=lambda: ["closed", "open"]
    )
    rate: Annotated[
        list[float],
        _load(min=0.001, help="Arrivals per second, open loop; repeatable. Default: a search."),
    ] = field(default_factory=list)
    listeners: Annotated[
        list[int], _load(min=1, help="Listeners, closed loop; repeatable. Default: a search.")
    ] = field(default_factory=list)
    think_s: Annotated[float, _load(min=0, help="Mean pause after playback, in seconds.")] = 0.0
    level_s: Annotated[float, _load(min=0.1, help="Seconds per level.")] = 20.0
    ramp_s: Annotated[float, _load(min=0.01, help="Seconds of ramp-up before it.")] = 5.0
    first_audio_limit_ms: Annotated[float, _load(min=1, help="Highest p95 that passes.")] = 300.0
    attempts: Annotated[int, _load(min=1, help="Tries per level of streams.")] = 1
    start_listeners: Annotated[int, _load(min=1, help="First level of streams.")] = 8
    most_listeners: Annotated[int, _load(min=1, help="Highest level of a search.")] = 256
    calls: Annotated[int, _single(min=1, help="Calls for latency and unloaded baseline.")] = 300
    replies: Annotated[int, _single(min=1, help="Texts for tokens.")] = 20
    tokens_per_s: Annotated[float, _single(min=0.1, help="Words per second, for tokens.")] = 20.0
    capacity: Annotated[
        int | None, _single(min=0, help="Capacity in streams, for overload; default: measured.")
    ] = None
    overload: Annotated[float, _single(min=0.1, help="Arrivals, as a multiple of capacity.")] = 4.0
    overload_s: Annotated[float, _single(min=0.1, help="Seconds of arrivals.")] = 30.0
    minutes: Annotated[float, _single(min=0.01, help="Minutes of chaos.")] = 5.0
    requests: Annotated[int, _single(min=1, help="Requests of the soak.")] = 20_000
    workers: Annotated[int, _single(min=1, help="Concurrent calls of the soak.")] = 12
    mixed: Annotated[
        bool, _single(help="Soak by every API, in every format, voice and language.")
    ] = False
    seed: Annotated[int, _single(help="Seed of texts and arrivals.")] = 0

    def __post_init__(self) -> None:
        """0 client processes becomes one per core; raises InputError for an unknown name."""
        for name, known in (("protocol", PROTOCOLS), ("loop", LOOPS)):
            if unknown := set(getattr(self, name)) - set(known):
                raise InputError(f"{name} is {unknown.pop()!r}; expected {', '.join(known)}")
        self.clients = self.clients or usable_cores()
