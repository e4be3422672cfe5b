"""Options of `dlpo bench` and `dlpo eval`: each field is an option, and goes to its measurement.

The CLI imports this module on startup, so it imports nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from dlpo.bundle import DEFAULT_VOICE
from dlpo.config.fields import Count, Existing, File, Flag, NotNegative, Range, Whole
from dlpo.judges import JudgesFolder
from dlpo.operating_system import usable_cores
from dlpo.rl.options import OWN_CHAIN, OwnChain

Turns = Annotated[int, Range(ge=2)]
Some = Annotated[float, Range(ge=0.1)]
Least = Annotated[float, Range(ge=0.01)]
ProtocolName = Literal["dlpo", "riva", "openai"]
Loop = Literal["closed", "open"]
OfServer = Flag(panel="Server")
OfLoad = Flag(panel="Load")
OfSingle = Flag(panel="One stream, soak and overload")
OfSpeech = Flag(panel="Speech")
OfJudges = Flag(panel="Judges")


@dataclass(kw_only=True)
class OneVoice:
    """What is measured of one voice on one core."""

    voice: str = DEFAULT_VOICE
    """Voice name or bundle path."""
    core: int | None = None
    """Core to pin to; by default, the last."""


@dataclass(kw_only=True)
class RtfOptions(OneVoice):
    """Of the real-time factors."""

    checkpoint: Path = Path("voices/spectral/tuned")
    """Checkpoint that the voice was exported from."""
    steps: int | None = None
    """Steps of all but the paper's sampler; default: the voice's."""
    contestant: tuple[str, ...] = ()
    """Run only this, such as eager-1000 or cpu:int8; repeatable."""
    seconds: tuple[Annotated[float, Range(ge=0.01, le=600)], ...] = ()
    """Audio length of a text; repeatable. Default: 1, 5, 20, 60."""
    rounds: Annotated[int | None, Range(ge=3)] = None
    """Runs per contestant and text; default: 9, quick 5."""
    budget_s: Least | None = None
    """Limit for all rounds of a contestant on a text; 180 s, quick 20 s. Beyond it, eager-1000 is
    extrapolated from a slice of its steps, others are skipped."""
    threads: Annotated[int, Range(ge=1)] = 1
    """PyTorch threads; engines use one."""
    quick: bool = False
    """Short run, about a minute: 1 and 5 s."""

    def __post_init__(self) -> None:
        """Fill unset options from the preset."""
        self.seconds = self.seconds or ((1.0, 5.0) if self.quick else (1.0, 5.0, 20.0, 60.0))
        self.rounds = self.rounds or (5 if self.quick else 9)
        self.budget_s = self.budget_s or (20.0 if self.quick else 180.0)


@dataclass(kw_only=True)
class PeersOptions(OneVoice):
    """Of the comparison with other engines."""

    precision: str = "int8"
    """Denoiser precision on cpu."""
    peer: tuple[str, ...] = ()
    """dlpo-whole, hibari, kokoro, piper, espeak-ng or flite; repeatable; else all."""
    install: tuple[str, ...] = ()
    """Install hibari or piper first, in a separate environment; repeatable."""
    piper_voice: Path | None = None
    """Piper voice: an .onnx with its .json."""
    kokoro: Path | None = None
    """Folder with kokoro.int8.onnx, vocab.json and voices/af_heart.bin."""
    rounds: Turns = 15
    """Turns per contestant and text."""
    speak: Path | None = None
    """Time nothing: let each speak --texts into this folder, for `dlpo eval`."""
    texts: Existing | None = None
    """Text file, one sentence per line, for --speak."""


@dataclass(kw_only=True)
class LoadOptions:
    """Of the load on a server."""

    measurements: Annotated[tuple[str, ...], Flag(argument=True)] = ()
    """latency, knee, tokens (the default); streams, overload, chaos, soak; or all."""
    voice: Annotated[str, OfServer] = DEFAULT_VOICE
    """Voice name or bundle path."""
    engine: Annotated[str, OfServer] = "cpu"
    """Engine of the server."""
    precision: Annotated[str | None, OfServer] = None
    """Denoiser precision."""
    server_options: Annotated[str, OfServer] = ""
    """More server options, as in "--lanes 2"."""
    protocol: Annotated[tuple[ProtocolName, ...], OfServer] = ("dlpo",)
    """For our server; repeatable, in turns."""
    against: Annotated[tuple[str, ...], OfServer] = ()
    """Running server to measure instead of our own: HOST:PORT (Riva-compatible), dlpo://HOST:PORT
    or http://HOST:PORT/v1 (OpenAI-compatible), with ?voice= and ?model= where needed. Repeatable,
    in turns."""
    clients: Annotated[Whole, OfLoad] = 0
    """Client processes; 0: one per core."""
    connections: Annotated[Count, OfLoad] = 8
    """Total connections; calls rotate over them."""
    loop: Annotated[tuple[Loop, ...], OfLoad] = ("closed", "open")
    """For the knee; repeatable."""
    rate: Annotated[tuple[Annotated[float, Range(ge=0.001)], ...], OfLoad] = ()
    """Arrivals per second, open loop; repeatable. Default: a search."""
    listeners: Annotated[tuple[Count, ...], OfLoad] = ()
    """Listeners, closed loop; repeatable. Default: a search."""
    think_s: Annotated[NotNegative, OfLoad] = 0.0
    """Mean pause after playback, in seconds."""
    level_s: Annotated[Some, OfLoad] = 20.0
    """Seconds per level."""
    ramp_s: Annotated[Least, OfLoad] = 5.0
    """Seconds of ramp-up before it."""
    first_audio_limit_ms: Annotated[float, Range(ge=1), OfLoad] = 300.0
    """Highest p95 that passes."""
    start_listeners: Annotated[Count, OfLoad] = 8
    """First level of streams."""
    most_listeners: Annotated[Count, OfLoad] = 256
    """Highest level of a search."""
    calls: Annotated[Count, OfSingle] = 300
    """Calls for latency and unloaded baseline."""
    replies: Annotated[Count, OfSingle] = 20
    """Texts for tokens."""
    tokens_per_s: Annotated[Some, OfSingle] = 20.0
    """Words per second, for tokens."""
    capacity: Annotated[Whole | None, OfSingle] = None
    """Capacity in streams, for overload; default: measured."""
    overload: Annotated[Some, OfSingle] = 4.0
    """Arrivals, as a multiple of capacity."""
    overload_s: Annotated[Some, OfSingle] = 30.0
    """Seconds of arrivals."""
    minutes: Annotated[Least, OfSingle] = 5.0
    """Minutes of chaos."""
    requests: Annotated[Count, OfSingle] = 20_000
    """Requests of the soak."""
    workers: Annotated[Count, OfSingle] = 12
    """Concurrent calls of the soak."""
    mixed: Annotated[bool, Flag("--mixed/--no-mixed"), OfSingle] = False
    """Soak by every API, in every format, voice and language."""
    seed: Annotated[int, OfSingle] = 0
    """Seed of texts and arrivals."""

    def __post_init__(self) -> None:
        """0 client processes becomes one per core."""
        self.clients = self.clients or usable_cores()


@dataclass(frozen=True, slots=True)
class SpeakingOptions:
    """How systems speak; anything unset defaults to each system's own."""

    steps: tuple[int, ...] = ()
    """Reverse steps; repeatable. Default: each system's own number."""
    precisions: Annotated[tuple[str, ...], Flag("--precision")] = ()
    """Precision of bundles, fp32 or int8; repeatable. Default: their own."""
    chain: OwnChain = OWN_CHAIN
    seeds: Count = 1
    """Noise seeds per sentence, whose scores are averaged."""
    voices: Annotated[tuple[str, ...], Flag("--voice")] = ()
    """Voice of bundles and checkpoints; repeatable. Default: their first."""


@dataclass(frozen=True)
class OfCorpus:
    """Whose texts are spoken."""

    corpus: Annotated[Path, OfJudges] = Path("LJSpeech-1.1")
    """Corpus directory in LJSpeech layout, with texts and recordings."""


@dataclass(frozen=True, slots=True)
class SentenceChoice(OfCorpus):
    """What the systems speak."""

    split: Literal["test", "validation"] = "test"
    """Sentences of the corpus to speak."""
    texts: File | None = None
    """Speak the lines of this file instead, which have no recordings: a text each, or name, kind
    and text between tabs, for figures by kind."""
    clips: Count | None = None
    """Speak only the first N sentences."""
    recordings: bool = True
    """Also judge the speaker's recordings."""


@dataclass(frozen=True, slots=True)
class Judges(JudgesFolder):
    """Who judges; see `load_panel`."""

    whisper: tuple[Path, ...] = ()
    """Whisper checkpoint directory; adds word and character error rates, and for texts with kinds
    whether it hears a question. Repeatable."""
    utmos: File | None = None
    """UTMOS weights file; adds UTMOS as a judge."""
    speaker: Path | None = None
    """Speaker encoder weights file; adds similarity to the speaker of the corpus."""
    only: Annotated[tuple[str, ...], Flag("--judge")] = ()
    """Use only this one: distillmos, nisqa, nisqa_tts, dnsmos, p835, plcmos, words, ends, whisper,
    question. Repeatable; by default, all that are available."""


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What is judged, by whom."""

    systems: Annotated[tuple[str, ...], Flag(argument=True)] = (DEFAULT_VOICE,)
    """Voices, bundles, checkpoints or WAV directories; NAME=PATH names one."""
    speaking: Annotated[SpeakingOptions, OfSpeech] = SpeakingOptions()
    sentences: Annotated[SentenceChoice, OfJudges] = SentenceChoice()
    judges: Annotated[Judges, OfJudges] = Judges()
    baseline: str | None = None
    """System to compare the others with; by default, the first."""
    match: Annotated[bool, OfJudges] = True
    """Match clips to their recordings' level and equalize end pauses."""
    wavs: Annotated[Path | None, Flag(panel="Output")] = None
    """Directory to write the judged audio to, as SYSTEM/CLIP.wav."""
    jobs: Annotated[Count, OfJudges] = 1
    """Judge so many systems side by side, each in a process."""
