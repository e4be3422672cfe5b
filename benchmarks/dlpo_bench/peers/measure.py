"""Runs our voice and its peers in turns and compares them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import venv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from dlpo.bundle import Bundle
from dlpo.errors import EngineError, InputError, writing
from dlpo_bench.clips import clips_of_texts
from dlpo_bench.compare import compare_medians
from dlpo_bench.load.texts import LONGER, PHRASES, SENTENCES
from dlpo_bench.machine import choose_cores
from dlpo_bench.options import PeersOptions
from dlpo_bench.record import Measured
from dlpo_bench.statistics import Tell, rotated, silent
from dlpo_bench.systems import WHOLE
from dlpo_serving.synthesis.chunks import STREAM_LADDER
from dlpo_serving.voices import find_voice

OWN, OWN_WHOLE = "dlpo", "dlpo-whole"
DRIVER = Path(__file__).with_name("driver.py")
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1"}
END_S = 10.0  # for a process to exit after its last request
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
HOME, PYTHON = CACHE / "dlpo/peers", Path("env/bin/python")
PACKAGES = {"piper": ("piper-tts==1.8.0",), "hibari": ("hibari-tts==0.2.1", "scipy")}
"""What `--install` puts into a peer's own environment; dlpo depends on none of it."""
TEXTS: Mapping[str, str] = {
    "1 s": PHRASES[5], "5 s": SENTENCES[0], "20 s": " ".join(SENTENCES)
}  # fmt: skip
"""approximate length of the audio -> text"""
STREAMED, WORDS_PER_S = "streamed", 20
"""texts that arrive word by word, as from a language model: their place in the samples, and pace"""
WARM_UP_ROUNDS = 2

Samples = dict[str, dict[str, list[float]]]
"""Length of the text -> measure -> one value per round."""


@dataclass(frozen=True, slots=True)
class Peer:
    """How to run a peer, see `driver`."""

    name: str
    title: str
    """what it is, in a few words"""
    kind: str
    """kind of voice in the driver"""
    settings: Mapping[str, Any]
    """settings of that kind"""
    missing: str = ""
    """why it can't run here and what to do about it"""
    python: Path = Path(sys.executable)
    """interpreter of its environment"""


def own_voice(voice: str, precision: str, *, whole: bool = False) -> Peer:
    """A voice of ours on `cpu`, which peers are compared with: in stream chunks, as served; or each
    sentence in one chunk, as peers that don't stream work."""
    settings = {"voice": voice, "precision": precision, "ladder": WHOLE if whole else STREAM_LADDER}
    title = f"voice {Path(voice).name}, {precision}{', whole sentences' if whole else ''}"
    return Peer(OWN_WHOLE if whole else OWN, title, "dlpo", settings)


def program(name: str, title: str, *arguments: str) -> Peer:
    """A program that writes a WAV file, one process per text; apt's package has the same name.

    Args:
        arguments: with placeholders {text} and {out}.
    """
    settings = {"command": [name, *arguments], "version": [name, "--version"]}
    missing = "" if shutil.which(name) else f'{name} is not installed; run "apt install {name}"'
    return Peer(name, title, "command", settings, missing)


def install(name: str, tell: Tell = silent) -> None:
    """Create a peer's environment, replacing an earlier one.

    It gets our version of onnxruntime, so that the runtime makes no difference.

    Raises:
        EngineError: it can't be created; messages of venv and pip are on standard error.
    """
    packages = [*PACKAGES[name], f"onnxruntime=={version('onnxruntime')}"]
    tell(f"pip install {' '.join(packages)}")
    python = HOME / name / PYTHON
    try:
        venv.EnvBuilder(clear=True, with_pip=True).create(python.parents[1])
        command = [str(python), "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(command, check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as error:
        raise EngineError(f"{name} can't be installed: {error}") from error


def packaged(
    name: str, title: str, settings: Mapping[str, Any], option: str = "",
    files: Sequence[Path] = (), package: str = "",
) -> Peer:  # fmt: skip
    """An engine on onnxruntime with one thread, in the environment that `install` made.

    Args:
        option, files: what says where its files are.
        package: of `PACKAGES`, if it has another name.
    """
    package = package or name
    python = HOME / package / PYTHON
    missing = [f"no {file}; give {option}" for file in files if not file.exists()]
    if not python.exists():
        missing = [f"{package} is not installed in {HOME / package}; add --install {package}"]
    return Peer(name, title, name, settings, missing[0] if missing else "", python)


class PeerProcess:
    """Answers one request at a time. Each raises EngineError if the peer fails."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        start = time.perf_counter()
        self._name = name
        self._process = process
        ready = self._answer()
        self.version: str = ready["version"]
        self.size_mb: float = ready["size_mb"]
        self.load_s = time.perf_counter() - start
        """from starting the process until it was ready"""

    def speak(self, text: str, seed: int, words_per_s: float = 0) -> dict[str, float]:
        """`rtf`, `cpu_rtf` of all its threads and programs, `audio_s` of a text, and `first_ms`
        until its first audio, from its first word if it arrives at a pace; the peer times itself.
        """
        found = self.ask(do="speak", text=text, seed=seed, words_per_s=words_per_s)
        audio_s: float = found["audio_s"]
        if audio_s <= 0:
            raise EngineError(f"{self._name} made no audio of {text[:40]!r}; it has no RTF")
        return {
            "rtf": found["wall_s"] / audio_s, "cpu_rtf": found["cpu_s"] / audio_s,
            "audio_s": audio_s, "first_ms": 1000 * found["first_s"],
        }  # fmt: skip

    def ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None  # a pipe
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; reading the answer will report that
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # a pipe
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise EngineError(f"{self._name}: its process ended with {code}; see its message above")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EngineError(f"{self._name}: {answer['error']}")
        return answer


@contextmanager
def peer_process(peer: Peer, core: int) -> Iterator[PeerProcess]:
    """Run a peer on one core until the block ends.

    Raises:
        EngineError: it is missing or can't be started; its messages are on standard error.
    """
    if peer.missing:
        raise EngineError(peer.missing)
    # -P: keeps the driver's folder off the peer's module path.
    settings = json.dumps(dict(peer.settings))
    command = [str(peer.python), "-P", str(DRIVER), peer.kind, str(core), settings]
    inherited = dict(os.environ)
    if peer.kind != "dlpo":
        inherited.pop("PYTHONPATH", None)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, env=inherited | ENVIRONMENT
    ) as process:
        try:
            yield PeerProcess(peer.name, process)
        finally:
            assert process.stdin is not None
            try:
                process.stdin.close()
                process.wait(END_S)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                process.kill()


def measure_peers(options: PeersOptions, tell: Tell = silent) -> Measured:
    """Measure a voice of ours and the peers named in the options.

    Raises:
        InputError, EngineError: see `chosen_peers`; or our own voice failed.
        BundleError: the voice is damaged.
    """
    ours, peers, core = chosen_peers(options, tell)
    sha256 = Bundle.load(find_voice(options.voice)).sha256
    return replace(compare_peers(ours, peers, options.rounds, core, tell), bundle_sha256=sha256)


def speak_with_peers(options: PeersOptions, tell: Tell = silent) -> list[Path]:
    """Let every contestant speak the lines of `options.texts` into `options.speak`/NAME, a WAV file
    each, for `dlpo eval NAME=FOLDER --texts FILE`; a peer that is missing or fails is skipped.

    Returns:
        The folders that are complete.

    Raises:
        InputError, EngineError: see `chosen_peers`; no texts or folder; or our own voice failed.
        DataError: the texts can't be read.
    """
    if options.texts is None or options.speak is None:
        raise InputError("--speak FOLDER needs --texts FILE, and vice versa; give both")
    clips, spoken = clips_of_texts(options.texts), list[Path]()
    ours, peers, core = chosen_peers(options, tell)
    for peer in (ours, *peers):
        folder = options.speak.absolute() / peer.name
        tell(f"{peer.name} speaks {len(clips)} sentences")
        try:
            with peer_process(peer, core) as process, writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                for old in folder.glob("line-*.wav"):
                    old.unlink()
                for clip in clips:
                    path = folder / f"{clip.clip_id}.wav"
                    process.ask(do="write", text=clip.text, path=str(path))
        except EngineError as error:
            if peer is ours:
                raise
            tell(f"skipped {peer.name}: {error}")
        else:
            spoken.append(folder)
    return spoken


def chosen_peers(options: PeersOptions, tell: Tell = silent) -> tuple[Peer, list[Peer], int]:
    """Our voice, the peers named in the options, installed if asked for, and the core.

    Raises:
        InputError: an unknown peer, one that can't be installed, or an unusable core.
        EngineError: a peer can't be installed.
    """
    if wrong := [name for name in options.install if name not in PACKAGES]:
        raise InputError(f"can't install {wrong[0]!r}; expected one of {', '.join(PACKAGES)}")
    for name in options.install:
        install(name, tell=tell)
    espeak = ("-v", "en-us", "-w", "{out}", "--", "{text}")
    flite = ("-voice", "slt", "-t", "{text}", "-o", "{out}")
    folder, model = options.kokoro or Path("KOKORO"), options.piper_voice or Path("VOICE.onnx")
    theirs = [
        own_voice(options.voice, options.precision, whole=True),
        packaged("hibari", "hibari-tts, the voice of its package", {}),
        packaged(
            "kokoro", "Kokoro-82M, af_heart", {"folder": str(folder), "voice": "af_heart"},
            "--kokoro FOLDER", [folder / "kokoro.int8.onnx"], "hibari",  # its front end reads
        ),
        packaged(
            "piper", f"Piper, voice {model.stem}", {"model": str(model)},
            "--piper-voice VOICE.onnx", [model, Path(f"{model}.json")],
        ),
        program("espeak-ng", "formants", *espeak),
        program("flite", "clustergen, voice slt", *flite),
    ]  # fmt: skip
    known = {one.name: one for one in theirs}
    if unknown := [name for name in options.peer if name not in known]:
        raise InputError(f"no peer {unknown[0]!r}; expected one of {', '.join(known)}")
    chosen = [known[name] for name in dict.fromkeys(options.peer or known)]
    return own_voice(options.voice, options.precision), chosen, choose_cores(1, options.core)[0]


def compare_peers(
    ours: Peer, peers: Sequence[Peer], rounds: int, core: int, tell: Tell = silent
) -> Measured:
    """Let all contestants take turns; peers that are missing or fail are skipped.

    Returns:
        Figures of each, and `ratios`: peer -> length of the text -> the peer's time over ours per
        second of audio, in wall-clock and in CPU time, and its time to first audio over ours.
        `ratios_to_whole` are the same relative to our whole sentences, if measured.

    Raises:
        EngineError: our own voice failed.
    """
    skipped: dict[str, str] = {}
    running: dict[str, tuple[Peer, PeerProcess]] = {}
    samples: dict[str, Samples] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    with ExitStack() as stack:
        for peer in (ours, *peers):
            tell(f"starting {peer.name}")
            try:
                running[peer.name] = peer, stack.enter_context(peer_process(peer, core))
            except EngineError as error:
                if peer is ours:
                    raise
                skipped[peer.name] = str(error)
        for number in range(WARM_UP_ROUNDS + rounds):
            tell(f"round {number + 1} of {WARM_UP_ROUNDS + rounds}")
            for name in rotated(list(running), number):
                process = running[name][1]
                try:
                    found = {n: process.speak(text, number) for n, text in TEXTS.items()}
                    arriving = process.speak(_streamed(number), number, WORDS_PER_S)
                    found[STREAMED] = {"first_ms": arriving["first_ms"]}
                except EngineError as error:
                    if name == ours.name:
                        raise
                    del running[name]
                    skipped[name] = str(error)
                    continue
                for length, values in found.items() if number >= WARM_UP_ROUNDS else ():
                    for measure, value in values.items():
                        samples[name][length][measure].append(value)
        contestants = {name: _figures(*one, samples[name]) for name, one in running.items()}
    samples = {name: {n: dict(of) for n, of in samples[name].items()} for name in contestants}
    figures = {
        "core": core,
        "rounds": rounds,
        "contestants": contestants,
        "ratios": _ratios_to(samples, OWN),
        "ratios_to_whole": _ratios_to(samples, OWN_WHOLE),
        "skipped": skipped,
    }
    return Measured(figures, samples, skipped)


def _streamed(number: int) -> str:
    """83 words; each round another of the six sentences comes first."""
    first = number % 6
    return " ".join(LONGER[first:6] + LONGER[:first])


def _figures(peer: Peer, process: PeerProcess, samples: Samples) -> dict[str, Any]:
    texts = {
        length: {f"{measure}_median": float(np.median(x)) for measure, x in values.items()}
        for length, values in samples.items()
    }
    return {
        "title": peer.title,
        "version": process.version,
        "peak_mb": process.ask(do="memory", text=TEXTS["20 s"])["peak_mb"],
        "texts": texts,
    } | (
        {"note": "its times include the start of its program"} if peer.kind == "command"
        else {"load_s": process.load_s, "size_mb": process.size_mb}
    )  # fmt: skip


def _ratios_to(samples: Mapping[str, Samples], base: str) -> dict[str, Any]:
    """Time per second of audio of each of the others / of the base; empty if not measured."""
    return {
        name: {
            length: {
                measure: compare_medians(
                    measure, np.array(samples[base][length][measure]), np.array(values[measure])
                ).ratio.figure
                for measure in values.keys() - {"audio_s"}
            }
            for length, values in one.items()
        }
        for name, one in samples.items()
        if base in samples and name != base
    }
