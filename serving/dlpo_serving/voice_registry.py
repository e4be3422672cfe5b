"""The voices that a server offers: loaded at startup, and added and removed with a folder.

A bundle in the folder is loaded once its files have settled and its seal verifies, so none is
loaded half-written. If loading fails, the bundle is refused until its files change, and any
previous voice of that name stays; if disk or memory was short, or another bundle had its name, it
is tried again. Copy a bundle next to the folder, then move it in: overwriting
in place would change files under the streams that use them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

import numpy as np

from dlpo.bundle import MANIFEST
from dlpo.errors import ConfigError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.operating_system import lower_priority, this_user
from dlpo.text.common.dictionary_file import read_dictionary
from dlpo.text.common.front_end import parse_dictionary
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
from dlpo_serving.voice_trial import try_bundle
from dlpo_serving.voices import open_voice

_log = logging.getLogger(__name__)

SETTLE_S = 1.0  # a bundle must be unchanged for this long; a copy in progress changes faster
RETRY_S = 30.0  # until a bundle is tried again that was refused for want of disk or memory
OUTSIDE = (OSError, MemoryError)  # errors that are not the bundle's fault
LAST_LOAD_S = 3.0  # how long a stopping server waits for a voice that is still loading
MARKED_TEXT = "<speak>3 zorvixes – A. it's!</speak>"  # loads the SSML and unknown-word code
NICENESS = 15  # of the thread that loads voices while calls are served

Load = Callable[[ServerSettings], Sequence[Synthesizer]]


def open_voices(settings: ServerSettings) -> list[Synthesizer]:
    """Open the bundles of the voices in `settings`, each once, with its engine; see `open_voice`.

    If all voices come from a folder, only check the engine, so that a machine that can't run it is
    reported now rather than with the first voice.
    """
    if not settings.voices:
        check_engine(settings.engine, settings.precision)
    opened: list[Synthesizer] = []
    words = read_dictionary(settings.dictionary)
    parse_dictionary(words)  # reported even where all voices come from a folder
    for name in settings.voices:
        if not any(name in voice.manifest.offered_voices for voice in opened):
            opened.append(open_voice(name, settings.engine, settings.precision, dictionary=words))
    return opened


def warm(synthesizer: Synthesizer, lanes: int = 1) -> LoadedVoice:
    """Warm up a voice by speaking on `lanes` lanes, so that its first caller does not wait.

    Raises:
        EngineError: the run-time failed.
    """
    synthesizer.read(SpeechRequest(MARKED_TEXT))
    return LoadedVoice(synthesizer, Costs(measure_costs(synthesizer, lanes)))


class VoiceRegistry:
    """Manages the voices of a service.

    While the server runs, voices are loaded on a separate low-priority thread. For a GPU, they
    must be loaded by the lane that computes; see `EngineExecutor.run`.
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
        self._loader = ThreadPoolExecutor(1, "loader", lower_priority, (NICENESS,))
        self.filled = asyncio.Event()
        """set once there is a voice"""
        self.hangs = False
        """a thread is still loading, so the interpreter can't exit"""

    async def load(self, load: Load) -> None:
        """Load and offer the voices named in the settings.

        Raises:
            ConfigError: the voice folder can't be read.
            EngineError: the run-time failed; also anything that `load` raises.
        """
        if folder := self._settings.voice_directory:
            check_directory(folder)

        def load_warm() -> list[LoadedVoice]:
            return [warm(synthesizer, self._executor.lanes) for synthesizer in load(self._settings)]

        voices, missing = await asyncio.gather(
            asyncio.wrap_future(self._executor.run(load_warm)),
            asyncio.to_thread(warm_encoders, PUBLISHED_GRID.sample_rate_hz),  # mostly imports
        )
        for voice in voices:
            self._offer(voice)
        for encoding, error in missing.items():  # not earlier: a failed start prints one line
            _log.info("%s is not offered: %s", encoding, error)

    async def watch(self, clock: Callable[[], float]) -> None:
        """Watch the voice folder, if the settings name one, until cancelled."""
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
            # A load that outlived the server would log and compute alongside whatever runs next.
            self._loader.shutdown(wait=False, cancel_futures=True)
            if not on_lane and not poll.done():
                await asyncio.to_thread(wait, [poll], LAST_LOAD_S)
                self.hangs = not poll.done()

    def _open(self, path: Path) -> LoadedVoice:
        engine, precision = self._settings.engine, self._settings.precision
        if engine == "cpu":  # elsewhere this would be the lane that computes; see docs/security.md
            try_bundle(path, precision)
        words = read_dictionary(self._settings.dictionary)
        synthesizer = open_voice(path, engine, precision, dictionary=words)
        return warm(synthesizer)  # on one lane: the others are busy with calls

    def _offer(self, voice: LoadedVoice) -> None:
        offered = voice.manifest.offered_voices
        for manifest in self._service.voices:
            if manifest.voice in offered:
                self._metrics.offer(manifest, self._settings.engine, False)
        first_s = voice.costs.work_s(FIRST_CHUNK_S, 0.0, voice.manifest.steps)
        if first_s > self._settings.max_first_audio_s:
            _log.warning(
                "voice %s took %.2f s to its first audio, and calls that would wait longer than"
                " %g s are refused; few are served until calls show that the machine is faster",
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


@dataclass(frozen=True, slots=True)
class VoiceChange:
    """A voice to offer, replacing any of the same name, or to withdraw.

    Streams that use the old voice keep it until they end.
    """

    name: str
    voice: LoadedVoice | None = None
    """None withdraws it"""


@dataclass(slots=True)
class _Entry:
    """State of one entry of the folder."""

    state: object
    """state of its files after their last observed change; None if they are gone"""
    since_s: float
    tried: bool = False
    """whether this state has been loaded or refused"""
    offers: tuple[str, ...] = ()
    """names of the voices last loaded from this entry, the bundle's default first"""
    refused: str = ""
    """why this state was refused, as logged"""
    retry_s: float | None = None
    """when to try it again, if the reason may be gone by then; -inf: once a name is free"""


class VoiceDirectory:
    """Detects changes in a folder of bundles. Call it from one thread at a time."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        open_voice: Callable[[Path], LoadedVoice],
        taken: Collection[str] = (),
    ) -> None:
        """
        Args:
            path: the folder; each bundle in it is a directory or a .dlpo file.
            clock: seconds.
            open_voice: verifies, loads and warms a voice; if it raises, the bundle is refused.
            taken: names of voices from elsewhere, which can't be replaced from here.
        """
        self._path = path
        self._clock = clock
        self._open = open_voice
        self._taken = frozenset(taken)
        self._entries: dict[str, _Entry] = {}
        self._readable = True

    def poll(self) -> list[VoiceChange]:
        """The changes since the last call. Loads voices, so it may take a while."""
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
                entry.refused, entry.retry_s = "", None
        settled = [
            name
            for name, entry in sorted(self._entries.items())
            if not entry.tried and now_s - entry.since_s >= SETTLE_S
        ]
        # What is gone for a while, not just between two renames, frees its names first.
        for name in [one for one in settled if self._entries[one].state is None]:
            events += self._withdraw(name)
        for name in [one for one in settled if one in self._entries]:
            events += self._take(self._path / name, self._entries[name], now_s)
        for entry in self._entries.values():
            if entry.retry_s is not None and now_s >= entry.retry_s:
                entry.tried, entry.retry_s = False, None
        return events

    def _scan(self) -> dict[str, object] | None:
        """Entry -> state of its files; None if the folder can't be read, and voices then stay."""
        try:
            names = sorted(entry.name for entry in os.scandir(self._path) if _is_candidate(entry))
            found = {name: _state(self._path / name) for name in names}  # errors are states
        except OSError as error:
            if self._readable:  # log once, not at every poll
                _log.error("voice directory can't be read: %s; keeping its voices", error)
            self._readable = False
            return None
        self._readable = True
        return found

    def _withdraw(self, name: str) -> list[VoiceChange]:
        offered = self._entries.pop(name).offers
        if not offered:
            return []
        self._names_are_free()
        _log.info("voice withdrawn voice=%s entry=%s", offered[0], name)
        return [VoiceChange(offered[0])]

    def _names_are_free(self) -> None:
        """Have entries tried again that were refused because another one had their name."""
        for entry in self._entries.values():
            if entry.retry_s == -inf:
                entry.tried, entry.retry_s = False, None

    def _take(self, path: Path, entry: _Entry, now_s: float) -> list[VoiceChange]:
        entry.tried = True
        try:
            voice = self._open(path)
        # Whatever error a file dropped here causes, the server carries on with the voices it has.
        except Exception as error:
            if isinstance(error, OUTSIDE) or isinstance(error.__cause__, OUTSIDE):
                entry.retry_s = now_s + RETRY_S
            return self._refuse(path, entry, f"{type(error).__name__}: {error}")
        others = (other.offers for other in self._entries.values() if other is not entry)
        taken = self._taken.union(*others)
        if twice := taken.intersection(voice.manifest.offered_voices):
            entry.retry_s = -inf
            message = f"voice {min(twice)!r} is already offered; export it under another name"
            return self._refuse(path, entry, message)
        name, before = voice.manifest.voice, entry.offers
        entry.offers, entry.refused, entry.retry_s = voice.manifest.offered_voices, "", None
        if set(before) - set(entry.offers):
            self._names_are_free()
        _log.info("voice offered voice=%s entry=%s", name, path.name)
        withdrawn = [VoiceChange(before[0])] if before and before[0] != name else []
        return [*withdrawn, VoiceChange(name, voice)]

    def _refuse(self, path: Path, entry: _Entry, reason: str) -> list[VoiceChange]:
        if reason != entry.refused:  # once, however often it is tried
            _log.error("voice refused entry=%s reason=%s", path.name, reason)
        entry.refused = reason
        return []


def check_directory(path: Path) -> None:
    """Raise ConfigError unless the folder can be listed; for use at startup.

    Later it may be unavailable for a while, for example if it is mounted and its server restarts.
    """
    try:
        os.listdir(path)
    except OSError as error:
        raise ConfigError(
            f"voice directory {path} can't be read: {error.strerror}; create or mount it, and let"
            f" {this_user()} list it, before the server starts"
        ) from error


def _is_candidate(entry: os.DirEntry[str]) -> bool:
    """Whether an entry looks like a bundle: a .dlpo file or folder with a manifest, not hidden."""
    if entry.name.startswith("."):
        return False
    try:
        is_folder = entry.is_dir()
    except OSError:  # a link to itself: not a bundle, and no reason to stop looking
        return False
    if is_folder:
        return os.path.exists(os.path.join(entry.path, MANIFEST))
    return entry.name.endswith(".dlpo")


def _state(path: Path) -> object:
    """A value that changes whenever any file of a bundle does."""
    try:
        files = [path, *sorted(path.iterdir())] if path.is_dir() else [path]
        stats = [(file.name, file.stat()) for file in files]
    except OSError as error:  # being removed, or a broken link: loading it will report which
        return str(error)
    return [(name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats]


STARTUP_CHUNKS = len(STREAM_LADDER)
# A number, a word in no lexicon, a sentence longer than the small chunks, and a second sentence.
TEXT = "In 3 steps dlpo learns how long each of its graphs will take on this machine. It is ready."


def measure_costs(
    synthesizer: Synthesizer, lanes: int = 1, clock: Callable[[], float] = time.perf_counter
) -> CostLines:
    """Speak a text to warm up, then measure it once alone and once next to busy lanes.

    Args:
        synthesizer: the voice to measure.
        lanes: how many will compute concurrently.
        clock: seconds.

    Returns:
        The costs next to busy lanes, and how much higher they are than those of a lane alone. Both
        include time taken by other programs; `Costs` corrects that while the server runs.

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
    """The least-squares line through the times of one stage; its slope is never negative."""
    points = [(unit.size, seconds) for unit, seconds in measured if unit.stage == stage]
    sizes, seconds = np.array(points).T
    spread = sizes - sizes.mean()
    slope = max(float(spread @ seconds / max(spread @ spread, 1.0)), 0.0)
    return Line(max(float(seconds.mean() - slope * sizes.mean()), 0.0), slope)
