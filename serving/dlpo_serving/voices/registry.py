"""The voices that a server offers: opened, warmed and named to its service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.mark import UNMARKED, NoiseMark, read_key
from dlpo.operating_system import lower_priority
from dlpo.text.common.dictionary_file import read_dictionary
from dlpo.text.common.front_end import parse_dictionary
from dlpo_serving.encodings.encoder import warm_encoders
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.engines import check_engine
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.request import SpeechRequest
from dlpo_serving.scheduling.executor import EngineExecutor
from dlpo_serving.scheduling.stream import FIRST_CHUNK_S, Costs
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.voices import open_voice
from dlpo_serving.voices.costs import measure_costs
from dlpo_serving.voices.directory import VoiceDirectory, check_directory
from dlpo_serving.voices.offered import LoadedVoice, OfferedVoices
from dlpo_serving.voices.synthesizer import Synthesizer
from dlpo_serving.voices.trial import try_bundle

_log = logging.getLogger(__name__)

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
    open_named = opener(settings)  # which reads files, even where all voices come from a folder
    for name in settings.voices:
        if not any(name in voice.manifest.offered_voices for voice in opened):
            opened.append(open_named(name))
    return opened


def opener(settings: ServerSettings) -> Callable[[str | Path], Synthesizer]:
    """`open_voice` with the engine, the words and the mark of a server.

    Raises:
        InputError: the file of the words or of the mark's key can't be read, or is wrong.
    """
    key = read_key(settings.mark_key)
    mark = NoiseMark(key, settings.mark_message) if settings.mark == "on" else None
    words = read_dictionary(settings.dictionary)
    parse_dictionary(words)
    engine, precision = settings.engine, settings.precision
    return partial(open_voice, engine=engine, precision=precision, dictionary=words, mark=mark)


def warm(synthesizer: Synthesizer, lanes: int = 1) -> LoadedVoice:
    """Warm up a voice by speaking on `lanes` lanes, so that its first caller does not wait.

    Raises:
        EngineError: the run-time failed.
    """
    synthesizer.read(SpeechRequest(MARKED_TEXT))
    return LoadedVoice(synthesizer, Costs(measure_costs(synthesizer, lanes)))


class VoiceRegistry:
    """Loads, offers and withdraws the voices of a server.

    While the server runs, voices are loaded on a separate low-priority thread. For a GPU, they
    must be loaded by the lane that computes; see `EngineExecutor.run`.
    """

    def __init__(
        self,
        settings: ServerSettings,
        offered: OfferedVoices,
        executor: EngineExecutor,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._offered = offered
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
            level = logging.DEBUG if encoding is Encoding.AAC else logging.WARNING  # its extra
            _log.log(level, "%s is not offered: %s", encoding, error)

    async def watch(self, clock: Callable[[], float]) -> None:
        """Watch the voice folder, if the settings name one, until cancelled."""
        if not self._settings.voice_directory:
            return
        named = [manifest.voice for manifest in self._offered.manifests]
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
        settings = self._settings
        if settings.engine == "cpu":  # else on the lane that computes; see docs/security.md
            try_bundle(path, settings.precision)
        return warm(opener(settings)(path))  # on one lane: the others are busy with calls

    def _offer(self, voice: LoadedVoice) -> None:
        offered = voice.manifest.offered_voices
        for manifest in self._offered.manifests:
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
        self._offered.add(voice)
        speaker, mark = voice.synthesizer, voice.synthesizer.mark_of()
        if mark == UNMARKED:
            why = "mark is off" if not speaker.mark else "its manifest does not say that it can"
            _log.warning("voice %s is not marked: %s", voice.manifest.voice, why)
        else:
            _log.info("voice %s is marked: %s", voice.manifest.voice, mark)
        for name in offered:
            self._metrics.offer(voice.manifest.with_voice(name), self._settings.engine)
        self.filled.set()

    def _withdraw(self, name: str) -> None:
        manifest = self._offered.remove(name).manifest
        for each in manifest.offered_voices:
            self._metrics.offer(manifest.with_voice(each), self._settings.engine, False)
