"""Runs our voice and its peers in turns and compares them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import venv
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
from dlpo_bench.load.texts import SENTENCES
from dlpo_bench.machine import choose_cores
from dlpo_bench.options import PeersOptions
from dlpo_bench.record import Measured
from dlpo_bench.statistics import Spread, Tell, rotated, silent
from dlpo_bench.systems import WHOLE
from dlpo_serving.synthesis.denoiser_input import STREAM_LADDER
from dlpo_serving.voices import find_voice

OWN, OWN_WHOLE = "dlpo", "dlpo-whole"
DRIVER = Path(__file__).with_name("driver.py")
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1"}
END_S = 10.0  # for a process to exit after its last request
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
HOME, PYTHON = CACHE / "dlpo/peers", Path("env/bin/python")
PACKAGES = {"piper": ("piper-tts==1.8.0",), "hibari": ("hibari-tts==0.2.1", "scipy")}
"""What `--install` puts into a peer's own environment; dlpo depends on none of it."""
TEXTS: Mapping[str, str] = {"5 s": SENTENCES[0], "20 s": " ".join(SENTENCES)}
"""approximate length of the audio -> text"""
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
    starts_each_time: bool = False
    """every call starts a program, so its load time is included"""
    note: str = ""
    """what a reader has to know besides the figures"""


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
    return Peer(
        name, title, "command",
        {"command": [name, *arguments], "version": [name, "--version"]},
        "" if shutil.which(name) else f'{name} is not installed; run "apt install {name}"',
        starts_each_time=True, note="its times include the start of its program",
    )  # fmt: skip


def install(name: str, home: Path = HOME, tell: Tell = silent) -> Path:
    """Create a peer's environment in `home`, replacing an earlier one; returns its interpreter.

    It gets our version of onnxruntime, so that the runtime makes no difference.

    Raises:
        EngineError: it can't be created; messages of venv and pip are on standard error.
    """
    packages = [*PACKAGES[name], f"onnxruntime=={version('onnxruntime')}"]
    tell(f"pip install {' '.join(packages)}")
    env, python = home / name / "env", home / name / PYTHON
    shutil.rmtree(env, ignore_errors=True)
    try:
        venv.EnvBuilder(with_pip=True).create(env)
        command = [str(python), "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(command, check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as error:
        raise EngineError(f"{name} can't be installed: {error}") from error
    return python


def hibari() -> Peer:
    """hibari-tts with its package's voice, on onnxruntime with one thread."""
    python, missing = _installed("hibari")
    title = "hibari-tts, the voice of its package"
    return Peer("hibari", title, "hibari", {}, missing, python)


def kokoro(folder: Path | None = None) -> Peer:
    """Kokoro-82M's 8-bit graph, voice af_heart, on onnxruntime with one thread.

    Args:
        folder: see `driver.KokoroRunner`.
    """
    python, missing = _installed("hibari")  # its front end reads the text
    model = folder / "kokoro.int8.onnx" if folder else None
    if not missing and not (model and model.exists()):
        missing = f"{model or 'its model'} does not exist; give --kokoro FOLDER"
    settings = {"folder": str(folder), "voice": "af_heart"}
    return Peer("kokoro", "Kokoro-82M, af_heart", "kokoro", settings, missing, python)


def _installed(name: str) -> tuple[Path, str]:
    """The interpreter of a peer's environment, and why it can't run (empty if it can)."""
    python = HOME / name / PYTHON
    missing = f"{name} is not installed in {HOME / name}; add --install {name}"
    return python, "" if python.exists() else missing


def piper(voice: Path | None = None) -> Peer:
    """Piper with a voice, on onnxruntime with one thread.

    Args:
        voice: ONNX with its JSON in the same folder.
    """
    python, missing = _installed("piper")
    files = [voice, Path(f"{voice}.json")] if voice else []
    if not missing and not (files and all(path.exists() for path in files)):
        missing = f"{voice or 'its voice'} does not exist; give --piper-voice VOICE.onnx"
    title = f"Piper, voice {voice.stem if voice else 'none'}"
    return Peer("piper", title, "piper", {"model": str(voice)}, missing, python)


class PeerProcess:
    """Answers one request at a time. Each raises EngineError if the peer fails."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        start = time.perf_counter()
        self._name = name
        self._process = process
        self.version: str = self._answer()["version"]
        self.load_s = time.perf_counter() - start
        """from starting the process until it was ready"""

    def speak(self, text: str, seed: int) -> dict[str, float]:
        """`rtf`, `cpu_rtf` of all its threads and programs, `audio_s` of a text, and `first_ms`
        until its first audio; the peer times itself."""
        found = self.ask(do="speak", text=text, seed=seed)
        audio_s: float = found["audio_s"]
        if audio_s <= 0:
            raise EngineError(f"{self._name} made no audio of {text[:40]!r}; it has no RTF")
        return {
            "rtf": found["wall_s"] / audio_s, "cpu_rtf": found["cpu_s"] / audio_s,
            "audio_s": audio_s, "first_ms": 1000 * found["first_s"],
        }  # fmt: skip

    def peak_mb(self, text: str) -> float:
        """Peak resident memory so far, MB of 10^6 bytes."""
        return float(self.ask(do="memory", text=text)["peak_mb"])

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
    theirs = [
        own_voice(options.voice, options.precision, whole=True),
        hibari(),
        kokoro(options.kokoro),
        piper(options.piper_voice),
        program("espeak-ng", "formants", *espeak),
        program("flite", "clustergen, voice slt", *flite),
    ]
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
    samples: dict[str, Samples] = {}
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
                except EngineError as error:
                    if name == ours.name:
                        raise
                    del running[name]
                    skipped[name] = str(error)
                    continue
                if number >= WARM_UP_ROUNDS:
                    _append(samples.setdefault(name, {}), found)
        contestants = {name: _figures(*one, samples[name]) for name, one in running.items()}
    samples = {name: samples[name] for name in contestants}
    figures = {
        "core": core,
        "rounds": rounds,
        "contestants": contestants,
        "ratios": _ratios_to(samples, OWN),
        "ratios_to_whole": _ratios_to(samples, OWN_WHOLE),
        "skipped": skipped,
    }
    return Measured(figures, samples, skipped)


def _append(samples: Samples, found: Mapping[str, Mapping[str, float]]) -> None:
    for length, values in found.items():
        for measure, value in values.items():
            samples.setdefault(length, {}).setdefault(measure, []).append(value)


def _figures(peer: Peer, process: PeerProcess, samples: Samples) -> dict[str, Any]:
    texts = {}
    for length, values in samples.items():
        rtf = Spread(tuple(values["rtf"]))
        texts[length] = {
            "audio_s": float(np.median(values["audio_s"])), "rtf_least": rtf.least,
            "rtf_median": rtf.median, "rtf_spread": rtf.deviation,
            "cpu_rtf_median": float(np.median(values["cpu_rtf"])),
            "first_ms_median": float(np.median(values["first_ms"])),
        }  # fmt: skip
    return {
        "title": peer.title,
        "version": process.version,
        **({} if peer.starts_each_time else {"load_s": process.load_s}),
        "peak_mb": process.peak_mb(TEXTS["20 s"]),
        "texts": texts,
        **({"note": peer.note} if peer.note else {}),
    }


def _ratios_to(samples: Mapping[str, Samples], base: str) -> dict[str, Any]:
    """Time per second of audio of each of the others / of the base; empty if not measured."""
    return {
        name: {
            length: {
                measure: compare_medians(
                    measure, np.array(samples[base][length][measure]), np.array(values[measure])
                ).ratio.figure
                for measure in ("rtf", "cpu_rtf", "first_ms")
            }
            for length, values in one.items()
        }
        for name, one in samples.items()
        if base in samples and name != base
    }
