"""Who can be measured, how each is started, and what is missing where it can't be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy.stats import median_abs_deviation

from dlpo.errors import EngineError
from dlpo_bench.compare import compare_medians
from dlpo_bench.load.texts import SENTENCES
from dlpo_bench.machine import watch_machine
from dlpo_bench.record import Measured
from dlpo_serving.synthesis.denoiser_input import STREAM_LADDER

WHOLE = "dlpo-whole"
LONGEST_SENTENCE = 100_000  # frames; more than any sentence has


@dataclass(frozen=True, slots=True)
class Contestant:
    """How to run one, see `driver`."""

    name: str
    title: str
    """what it is, in a few words"""
    kind: str
    """of the driver"""
    settings: Mapping[str, Any]
    """of that kind"""
    python: Path = Path(sys.executable)
    """interpreter of its environment"""
    starts_each_time: bool = False
    """every call starts a program: its load is in its times"""
    note: str = ""
    """what a reader has to know beside its figures"""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """for the record, such as its parameters"""


class Peer(Protocol):
    """Something that people would use in our place."""

    @property
    def name(self) -> str:
        """As the command line knows it."""
        ...

    def missing(self) -> str | None:
        """Why it can't run here and what to do about it; None where it can."""
        ...

    def contestant(self) -> Contestant:
        """How to run it where nothing is missing."""
        ...


def own_voice(voice: str, precision: str) -> Contestant:
    """The voice that peers are compared with, on `cpu`: in the chunks of a stream, as it serves."""
    settings = {"voice": voice, "precision": precision, "ladder": STREAM_LADDER}
    return Contestant("dlpo", f"voice {Path(voice).name}, {precision}", "dlpo", settings)


@dataclass(frozen=True, slots=True)
class WholeSentences:
    """The same voice with each sentence in one chunk, as peers make theirs that don't stream."""

    voice: str
    precision: str

    @property
    def name(self) -> str:
        """As the command line knows it."""
        return WHOLE

    def missing(self) -> str | None:
        """Nothing: it is ours."""
        return None

    def contestant(self) -> Contestant:
        """As `own_voice`, in larger chunks."""
        served = own_voice(self.voice, self.precision)
        return replace(
            served,
            name=self.name,
            title=f"{served.title}, whole sentences",
            settings={**served.settings, "ladder": (LONGEST_SENTENCE,)},
        )


@dataclass(frozen=True, slots=True)
class Program:
    """A program that writes a WAV file."""

    name: str
    title: str
    package: str
    """of apt"""
    arguments: Sequence[str]
    """with {text} and {out}"""

    def missing(self) -> str | None:
        """It is not on the path."""
        if shutil.which(self.name):
            return None
        return f'{self.name} is not installed; run "apt install {self.package}"'

    def contestant(self) -> Contestant:
        """One process for each text."""
        settings = {"command": [self.name, *self.arguments], "version": [self.name, "--version"]}
        return Contestant(
            self.name,
            self.title,
            "command",
            settings,
            starts_each_time=True,
            note="its times have the start of its program in them",
        )


ESPEAK = Program(
    "espeak-ng", "formants", "espeak-ng", ("-v", "en-us", "-w", "{out}", "--", "{text}")
)
FLITE = Program(
    "flite", "clustergen, voice slt", "flite", ("-voice", "slt", "-t", "{text}", "-o", "{out}")
)


DRIVER = Path(__file__).with_name("driver.py")
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1"}
END_S = 10.0  # for a contestant to end after its last question


@dataclass(frozen=True, slots=True)
class Spoken:
    """One text, spoken."""

    audio_s: float
    wall_s: float
    cpu_s: float
    """processor seconds of all its threads and programs"""


class ContestantProcess:
    """Answers one question at a time. Each raises EngineError where the contestant fails."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        start = time.perf_counter()
        self._name = name
        self._process = process
        self.version: str = self._answer()["version"]
        self.load_s = time.perf_counter() - start
        """from starting the process until it was ready"""

    def prepare(self, text: str, audio_s: float | None) -> float:
        """Warm up with a text that is to take about `audio_s`; the seconds that it takes."""
        return float(self._ask(do="prepare", text=text, audio_s=audio_s)["audio_s"])

    def speak(self, text: str, seed: int) -> Spoken:
        """Speak a text; it times itself."""
        spoken = Spoken(**self._ask(do="speak", text=text, seed=seed))
        if spoken.audio_s <= 0:
            raise EngineError(f"{self._name} made no audio of {text[:40]!r}; its RTF can't be said")
        return spoken

    def peak_mb(self, text: str) -> float:
        """The most memory that was resident until now, MB of 10^6 bytes."""
        return float(self._ask(do="memory", text=text)["peak_mb"])

    def _ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None  # it is a pipe
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: the answer will say so
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # it is a pipe
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise EngineError(f"{self._name}: its process ended with {code}; see its message above")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EngineError(f"{self._name}: {answer['error']}")
        return answer


@contextmanager
def contestant_process(contestant: Contestant, core: int) -> Iterator[ContestantProcess]:
    """Run a contestant on one core until the block ends.

    Raises:
        EngineError: it can't be started; its messages are on standard error.
    """
    # -P: files beside the driver are not modules of the contestant's environment.
    settings = json.dumps(dict(contestant.settings))
    command = [str(contestant.python), "-P", str(DRIVER), contestant.kind, str(core), settings]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=inherited | ENVIRONMENT,
    ) as process:
        try:
            yield ContestantProcess(contestant.name, process)
        finally:
            assert process.stdin is not None
            try:
                process.stdin.close()
                process.wait(END_S)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                process.kill()


TEXTS: Mapping[str, str] = {"5 s": SENTENCES[0], "20 s": " ".join(SENTENCES)}
"""about how long they take -> what is said"""

WARM_UP_ROUNDS = 1  # beside what each does to get ready: now all are there, and take turns


@dataclass(frozen=True, slots=True)
class PeersOptions:
    """How the comparison is made."""

    rounds: int = 15
    core: int = 0
    """that all of them run on, one after the other"""


class Running:
    """A contestant with what it has done so far."""

    def __init__(self, contestant: Contestant, process: ContestantProcess) -> None:
        self.contestant = contestant
        self.process = process
        self.spoken: dict[str, list[Spoken]] = {length: [] for length in TEXTS}

    def speak_all(self, seed: int) -> None:
        """One round."""
        for length, text in TEXTS.items():
            self.spoken[length].append(self.process.speak(text, seed))

    def forget(self) -> None:
        """What was spoken until now was to warm up."""
        self.spoken = {length: [] for length in TEXTS}

    def figures(self) -> dict[str, Any]:
        """Of all its rounds."""
        of = self.contestant
        load = {} if of.starts_each_time else {"load_s": self.process.load_s}
        return {
            "title": of.title,
            "version": self.process.version,
            **load,
            "peak_mb": self.process.peak_mb(TEXTS["20 s"]),
            "texts": {length: _text_figures(spoken) for length, spoken in self.spoken.items()},
            **({"note": of.note} if of.note else {}),
            **of.facts,
        }

    def samples(self) -> dict[str, dict[str, list[float]]]:
        """Length -> measure -> one value for each round."""
        return {length: _text_samples(spoken) for length, spoken in self.spoken.items()}


def measure_peers(
    ours: Contestant,
    peers: Sequence[Peer],
    options: PeersOptions,
    tell: Callable[[str], None],
) -> Measured:
    """Measure a voice of ours and its peers.

    Args:
        ours: is in every ratio.
        peers: those that are missing are skipped, and those that fail are dropped.
        options: how.
        tell: told what is done.

    Returns:
        Figures of each contestant, and `ratios`: peer -> length of the text -> how many times as
        long as ours the peer takes for a second of its audio, by the clock and in processor time.
        `ratios_to_whole` are the same to `WholeSentences`, where they are among the peers.

    Raises:
        EngineError: our own voice failed.
    """
    skipped = {peer.name: reason for peer in peers if (reason := peer.missing())}
    with watch_machine() as watch, ExitStack() as stack:
        own = Running(ours, stack.enter_context(contestant_process(ours, options.core)))
        lengths = {length: own.process.prepare(text, None) for length, text in TEXTS.items()}
        running = [own]
        for peer in peers:
            if peer.name in skipped:
                continue
            tell(f"{peer.name} gets ready")
            try:
                running.append(_begin(peer.contestant(), options.core, lengths, stack))
            except EngineError as error:
                skipped[peer.name] = str(error)
        for number in range(WARM_UP_ROUNDS + options.rounds):
            tell(f"round {number + 1} of {WARM_UP_ROUNDS + options.rounds}")
            for one in list(running):
                try:
                    one.speak_all(number)
                except EngineError as error:
                    if one is own:
                        raise
                    running.remove(one)
                    skipped[one.contestant.name] = str(error)
            if number < WARM_UP_ROUNDS:
                for one in running:
                    one.forget()
        contestants = {one.contestant.name: one.figures() for one in running}
    samples = {one.contestant.name: one.samples() for one in running}
    figures = {
        "machine": watch.interference.figures(),
        "core": options.core,
        "rounds": options.rounds,
        "contestants": contestants,
        "ratios": _ratios_to(samples, ours.name),
        "ratios_to_whole": _ratios_to(samples, WHOLE),
        "skipped": skipped,
    }
    return Measured(figures, samples, skipped, watch.interference.warnings())


def _begin(
    contestant: Contestant, core: int, lengths: Mapping[str, float], stack: ExitStack
) -> Running:
    """Start and warm up; raises EngineError."""
    running = Running(contestant, stack.enter_context(contestant_process(contestant, core)))
    for length, text in TEXTS.items():
        running.process.prepare(text, lengths[length])
    return running


def _text_samples(spoken: Sequence[Spoken]) -> dict[str, list[float]]:
    return {
        "rtf": [one.wall_s / one.audio_s for one in spoken],
        "cpu_rtf": [one.cpu_s / one.audio_s for one in spoken],
        "audio_s": [one.audio_s for one in spoken],
    }


def _text_figures(spoken: Sequence[Spoken]) -> dict[str, float]:
    samples = _text_samples(spoken)
    rtf = np.array(samples["rtf"])
    return {
        "audio_s": float(np.median(samples["audio_s"])),
        "rtf_least": float(rtf.min()),
        "rtf_median": float(np.median(rtf)),
        "rtf_spread": float(median_abs_deviation(rtf)),
        "cpu_rtf_median": float(np.median(samples["cpu_rtf"])),
    }


def _ratios_to(samples: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Of all others; empty where the base was not measured."""
    if base not in samples:
        return {}
    return {name: _ratios(samples[base], one) for name, one in samples.items() if name != base}


def _ratios(
    ours: Mapping[str, Mapping[str, list[float]]], theirs: Mapping[str, Mapping[str, list[float]]]
) -> dict[str, dict[str, Any]]:
    return {
        length: {
            measure: compare_medians(
                measure, np.array(ours[length][measure]), np.array(theirs[length][measure])
            ).ratio.figure
            for measure in ("rtf", "cpu_rtf")
        }
        for length in TEXTS
    }
