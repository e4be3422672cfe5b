"""The voices that a server offers: loaded at its start, and as they come and go in a folder.

A bundle in the folder is taken when it has rested for a while and its seal is sound, so that none
is taken half written. One that can't be loaded is refused, once for each state of its files, and
the one of that name that was there before stays. Copy a bundle next to the folder and move it in:
overwriting in place would change files under the streams that use them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dlpo.audio import SAMPLE_RATE
from dlpo.bundle import MANIFEST
from dlpo.errors import ConfigError
from dlpo_serving.encodings.encoder import warm_encoders
from dlpo_serving.engine import Stage, Unit
from dlpo_serving.engines import check_engine
from dlpo_serving.operations.files import Clock
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.request import SpeechRequest
from dlpo_serving.scheduling.executor import EngineExecutor
from dlpo_serving.scheduling.stream import FIRST_CHUNK_S, CostLines, Costs, Line
from dlpo_serving.service import LoadedVoice, SynthesisService
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.synthesis.denoiser_input import STREAM_LADDER
from dlpo_serving.synthesis.job import compute_unit
from dlpo_serving.synthesizer import PreparedRequest, Synthesizer
from dlpo_serving.voices import open_voice

_log = logging.getLogger(__name__)

SETTLE_S = 1.0  # that no file of a bundle may have changed for; a copy under way changes faster
LAST_LOAD_S = 3.0  # that a server which ends waits for the voice it is loading
MARKED_TEXT = "<speak>3 zorvixes – A. it's!</speak>"  # loads what reads SSML and unknown words
NICENESS = 10  # of the thread that loads voices while calls are served

Load = Callable[[ServerSettings], Sequence[Synthesizer]]


def open_voices(settings: ServerSettings) -> list[Synthesizer]:
    """The bundles of the voices that `settings` name, each once, in the engine that it names; see
    `open_voice`.

    Where all come from a folder, the engine is checked instead, so that a machine that can't run it
    is reported now rather than by the first voice.
    """
    if not settings.voices:
        check_engine(settings.engine, settings.precision)
    opened: list[Synthesizer] = []
    for name in settings.voices:
        if not any(name in voice.manifest.offered_voices for voice in opened):
            opened.append(open_voice(name, settings.engine, settings.precision))
    return opened


def warm(synthesizer: Synthesizer, lanes: int = 1) -> LoadedVoice:
    """A voice that has spoken, on as many lanes as it will, so that its first caller does not wait.

    Raises:
        EngineError: the run-time failed.
    """
    synthesizer.read(SpeechRequest(MARKED_TEXT))
    return LoadedVoice(synthesizer, Costs(measure_costs(synthesizer, lanes)))


class VoiceRegistry:
    """Keeps the voices of a service.

    While the server runs, a voice is loaded on a thread of its own with a low priority. What a GPU
    computes has to be loaded by its lane, see `EngineExecutor.run`.
    """

    def __init__(
        self,
        settings: ServerSettings,
        service: SynthesisService,
        executor: EngineExecutor,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._service = service
        self._executor = executor
        self._metrics = metrics
        self._loader = ThreadPoolExecutor(1, "loader", initializer=_lower_priority)
        self.filled = asyncio.Event()
        """there is a voice"""
        self.hangs = False
        """a thread is left that loads: the interpreter can't end"""

    async def load(self, load: Load) -> None:
        """Offer the voices that the settings name.

        Raises:
            ConfigError: the folder of voices can't be read.
            EngineError: the run-time failed; and what `load` raises.
        """
        if folder := self._settings.voice_directory:
            check_directory(folder)

        def load_warm() -> list[LoadedVoice]:
            return [warm(synthesizer, self._executor.lanes) for synthesizer in load(self._settings)]

        voices, missing = await asyncio.gather(
            asyncio.wrap_future(self._executor.run(load_warm)),
            asyncio.to_thread(warm_encoders, SAMPLE_RATE),  # most of it is imports
        )
        for voice in voices:
            self._offer(voice)
        for encoding, error in missing.items():  # a start that failed has said why in one line
            _log.info("%s is not offered: %s", encoding, error)

    async def watch(self, clock: Callable[[], float]) -> None:
        """Follow the folder of the settings, if there is one, until cancelled."""
        if not self._settings.voice_directory:
            return
        named = [manifest.voice for manifest in self._service.voices]
        folder = VoiceDirectory(self._settings.voice_directory, clock, self._open, named)
        on_lane = self._settings.engine != "cpu"
        run = self._executor.run if on_lane else self._loader.submit
        poll = run(folder.poll)
        try:
            while True:
                for event in await asyncio.wrap_future(poll):
                    if event.voice:
                        self._offer(event.voice)
                    else:
                        self._withdraw(event.name)
                await asyncio.sleep(self._settings.voice_poll_s)
                poll = run(folder.poll)
        finally:
            # A load that outlived the server would log, and compute, beside whatever comes next.
            self._loader.shutdown(wait=False, cancel_futures=True)
            if not on_lane and not poll.done():
                await asyncio.to_thread(wait, [poll], LAST_LOAD_S)
                self.hangs = not poll.done()

    def _open(self, path: Path) -> LoadedVoice:
        synthesizer = open_voice(path, self._settings.engine, self._settings.precision)
        return warm(synthesizer)  # by itself: the other lanes have calls to compute

    def _offer(self, voice: LoadedVoice) -> None:
        offered = voice.manifest.offered_voices
        for manifest in self._service.voices:
            if manifest.voice in offered:
                self._metrics.offer(manifest, self._settings.engine, False)
        first_s = voice.costs.work_s(FIRST_CHUNK_S, 0.0, voice.manifest.steps)
        if first_s > self._settings.max_first_audio_s:
            _log.warning(
                "voice %s took %.2f s to its first sound, and calls that would wait for longer than"
                " %g s are refused; until calls show that the machine is quicker, few are served",
                voice.manifest.voice,
                first_s,
                self._settings.max_first_audio_s,
            )
        self._service.add_voice(voice)
        for name in offered:
            self._metrics.offer(voice.manifest.with_voice(name), self._settings.engine)
        self.filled.set()

    def _withdraw(self, name: str) -> None:
        manifest = self._service.remove_voice(name).manifest
        for each in manifest.offered_voices:
            self._metrics.offer(manifest.with_voice(each), self._settings.engine, False)


def _lower_priority() -> None:
    """Of this thread alone, which is a process to the scheduler of Linux; elsewhere nothing."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


@dataclass(frozen=True, slots=True)
class VoiceChange:
    """A voice to be offered, in place of one of the same name if there is one; or withdrawn.

    Streams that speak with the old one keep it to their end.
    """

    name: str
    voice: LoadedVoice | None = None
    """None to withdraw it"""


@dataclass(slots=True)
class _Entry:
    """What is known of one name in the folder."""

    state: object
    """of its files, when they were last seen to change; None when they are gone"""
    since_s: float
    tried: bool = False
    """whether this state was loaded, or refused"""
    offers: str = ""
    """name of the voice that was last loaded from here"""


class VoiceDirectory:
    """Tells what has changed in a folder of bundles. Calls come from one thread at a time."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        open_voice: Callable[[Path], LoadedVoice],
        taken: Collection[str] = (),
    ) -> None:
        """
        Args:
            path: the folder; each bundle is a directory or a .dlpo file in it.
            clock: seconds.
            open_voice: verifies, loads and warms one; what it raises refuses the bundle.
            taken: names of voices that come from elsewhere and can't be replaced from here.
        """
        self._path = path
        self._clock = clock
        self._open = open_voice
        self._taken = frozenset(taken)
        self._entries: dict[str, _Entry] = {}
        self._readable = True

    def poll(self) -> list[VoiceChange]:
        """What is to be done since the last call. Loads voices, so it may take a while."""
        found = self._scan()
        if found is None:
            return []
        events: list[VoiceChange] = []
        now_s = self._clock()
        for name in sorted(found.keys() | self._entries.keys()):
            state = found.get(name)
            entry = self._entries.setdefault(name, _Entry(state, now_s))
            if entry.state != state:
                entry.state, entry.since_s, entry.tried = state, now_s, False
            if entry.tried or now_s - entry.since_s < SETTLE_S:
                continue
            entry.tried = True
            if state is None:  # for a while now, and not just between two renames
                events += self._withdraw(name)
            else:
                events += self._take(self._path / name, entry)
        return events

    def _scan(self) -> dict[str, object] | None:
        """Entry -> state of its files; None, with what is offered kept, if it can't be read."""
        try:
            names = sorted(entry.name for entry in os.scandir(self._path) if _is_candidate(entry))
            found = {name: _state(self._path / name) for name in names}
        except OSError as error:
            if self._readable:  # once, not at every poll
                _log.error("voice directory can't be read: %s; its voices stay", error)
            self._readable = False
            return None
        self._readable = True
        return found

    def _withdraw(self, name: str) -> list[VoiceChange]:
        offered = self._entries.pop(name).offers
        if not offered:
            return []
        _log.info("voice withdrawn voice=%s entry=%s", offered, name)
        return [VoiceChange(offered)]

    def _take(self, path: Path, entry: _Entry) -> list[VoiceChange]:
        try:
            voice = self._open(path)
        # Whatever a file dropped here makes a run-time do, the server goes on with what it has.
        except Exception as error:
            return self._refuse(path, f"{type(error).__name__}: {error}")
        name = voice.manifest.voice
        others = {other.offers for other in self._entries.values() if other is not entry}
        if twice := (self._taken | others).intersection(voice.manifest.offered_voices):
            return self._refuse(
                path, f"voice {min(twice)!r} is offered already; export it by another name"
            )
        events: list[VoiceChange] = []
        if entry.offers not in ("", name):
            events.append(VoiceChange(entry.offers))
        entry.offers = name
        _log.info("voice offered voice=%s entry=%s", name, path.name)
        return [*events, VoiceChange(name, voice)]

    def _refuse(self, path: Path, reason: str) -> list[VoiceChange]:
        _log.error("voice refused entry=%s reason=%s", path.name, reason)
        return []


def check_directory(path: Path) -> None:
    """Raise ConfigError unless the folder can be listed, as it should be at a server's start.

    Later it may be away for a while, as a mounted one is when its server restarts.
    """
    try:
        os.listdir(path)
    except OSError as error:
        raise ConfigError(
            f"voice directory {path} can't be read: {error.strerror}; create or mount it, and let"
            f" user {os.geteuid()} list it, before the server starts"
        ) from error


def _is_candidate(entry: os.DirEntry[str]) -> bool:
    """Whether an entry means to be a bundle: .dlpo, or a folder with a manifest; no hidden ones."""
    if entry.name.startswith("."):
        return False
    if entry.is_dir():
        return os.path.exists(os.path.join(entry.path, MANIFEST))
    return entry.name.endswith(".dlpo")


def _state(path: Path) -> object:
    """What changes when any file of a bundle does."""
    try:
        files = [path, *sorted(path.iterdir())] if path.is_dir() else [path]
        stats = [(file.name, file.stat()) for file in files]
    except OSError as error:  # on its way out, or a link to nowhere: loading it will tell
        return str(error)
    return [(name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats]


STARTUP_CHUNKS = len(STREAM_LADDER)
# A number and a word that is in no lexicon; a sentence longer than the small chunks, and another.
TEXT = "In 3 steps dlpo learns how long each of its graphs will take on this machine. It is ready."


def measure_costs(
    synthesizer: Synthesizer, lanes: int = 1, clock: Callable[[], float] = time.perf_counter
) -> CostLines:
    """Speak a text to warm up, then once alone and once beside lanes that are busy.

    Args:
        synthesizer: speaks.
        lanes: how many will compute at the same time.
        clock: seconds.

    Returns:
        The costs beside busy lanes, and how far those of a lane by itself are below them. What
        other programs took meanwhile is in both; `Costs` corrects it while the server runs.

    Raises:
        EngineError: the run-time failed.
    """
    utterance = synthesizer.read(SpeechRequest(TEXT))
    _timed(synthesizer, utterance, clock)
    alone = _timed(synthesizer, utterance, clock)
    if lanes == 1:
        return alone
    measured = threading.Event()

    def keep_busy() -> None:
        while not measured.is_set():
            rendering = synthesizer.render(utterance)
            while (unit := rendering.next_unit) and not measured.is_set():
                compute_unit(unit, [rendering])

    with ThreadPoolExecutor(lanes) as threads:
        others = [threads.submit(keep_busy) for _ in range(lanes - 1)]
        try:
            crowded = _timed(synthesizer, utterance, clock)
        finally:
            measured.set()
        for other in others:
            other.result()
    contention = crowded.audio_second_s / alone.audio_second_s
    return replace(crowded, contention=min(max(contention, 1.0), lanes))


def _timed(
    synthesizer: Synthesizer, utterance: PreparedRequest, clock: Callable[[], float]
) -> CostLines:
    measured: list[tuple[Unit, float]] = []
    after_chunks: list[tuple[float, float]] = []
    audio_s = spent_s = 0.0
    rendering = synthesizer.render(utterance)
    while unit := rendering.next_unit:
        start = clock()
        chunks = compute_unit(unit, [rendering])
        measured.append((unit, clock() - start))
        spent_s += measured[-1][1]
        for chunk in chunks:
            audio_s += chunk.duration_s
            after_chunks.append((audio_s, spent_s))
    manifest = synthesizer.manifest
    return CostLines(
        encode=_line("encode", measured),
        frames=_line("frames", measured),
        denoise=_line("denoise", measured),
        steps=utterance.steps,
        startup=tuple(after_chunks[:STARTUP_CHUNKS]),
        audio_second_s=spent_s / audio_s,
        frames_per_second=manifest.sample_rate_hz / manifest.hop_length,
    )


def _line(stage: Stage, measured: Sequence[tuple[Unit, float]]) -> Line:
    """The line through what one stage took, by least squares; it does not fall."""
    points = [(unit.size, seconds) for unit, seconds in measured if unit.stage == stage]
    sizes, seconds = np.array(points).T
    spread = sizes - sizes.mean()
    slope = max(float(spread @ seconds / max(spread @ spread, 1.0)), 0.0)
    return Line(max(float(seconds.mean() - slope * sizes.mean()), 0.0), slope)
