"""The voices that a server offers: loaded at its start, and as they come and go in a folder."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dlpo.audio import SAMPLE_RATE
from dlpo_serving.calibration import measure_costs
from dlpo_serving.encodings import warm_encoders
from dlpo_serving.engines import check_engine
from dlpo_serving.operations.metrics import Metrics
from dlpo_serving.operations.voice_directory import (
    VoiceAdded,
    VoiceDirectory,
    VoiceRemoved,
    check_directory,
)
from dlpo_serving.scheduling import FIRST_CHUNK_S, Costs
from dlpo_serving.scheduling.executor import EngineExecutor
from dlpo_serving.service import LoadedVoice, SynthesisService
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import open_voice

_log = logging.getLogger(__name__)

HOST_ENGINES = ("cpu", "openvino")  # any thread may load for any other
NICENESS = 10  # of the thread that loads voices while calls are served

Load = Callable[[ServerSettings], Sequence[Synthesizer]]


def open_voices(settings: ServerSettings) -> list[Synthesizer]:
    """The voices that `settings` name, in the engine that it names; see `open_voice`.

    Where all come from a folder, the engine is checked instead, so that a machine that can't run it
    is reported now rather than by the first voice.
    """
    if not settings.voices:
        check_engine(settings.engine, settings.precision)
    return [open_voice(name, settings.engine, settings.precision) for name in settings.voices]


def warm(synthesizer: Synthesizer, lanes: int = 1) -> LoadedVoice:
    """A voice that has spoken, on as many lanes as it will, so that its first caller does not wait.

    Raises:
        EngineError: the run-time failed.
    """
    return LoadedVoice(synthesizer, Costs(measure_costs(synthesizer, lanes)))


class VoiceRegistry:
    """Keeps the speaker's voices.

    While the server runs, a voice is loaded on a thread of its own with a low priority. What a GPU
    computes has to be loaded by its lane, see `EngineExecutor.run`.
    """

    def __init__(
        self,
        settings: ServerSettings,
        speaker: SynthesisService,
        room: EngineExecutor,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._speaker = speaker
        self._room = room
        self._metrics = metrics
        self._loader = ThreadPoolExecutor(1, "loader", initializer=_lower_priority)
        self.filled = asyncio.Event()
        """there is a voice"""

    async def load(self, load: Load) -> None:
        """Offer the voices that the settings name.

        Raises:
            ConfigError: the folder of voices can't be read.
            EngineError: the run-time failed; and what `load` raises.
        """
        if folder := self._settings.voice_directory:
            check_directory(folder)

        def load_warm() -> list[LoadedVoice]:
            return [warm(synthesizer, self._room.lanes) for synthesizer in load(self._settings)]

        voices, missing = await asyncio.gather(
            asyncio.wrap_future(self._room.run(load_warm)),
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
        named = [manifest.voice for manifest in self._speaker.voices]
        folder = VoiceDirectory(self._settings.voice_directory, clock, self._open, named)
        on_lane = self._settings.engine not in HOST_ENGINES
        run = self._room.run if on_lane else self._loader.submit
        try:
            while True:
                for event in await asyncio.wrap_future(run(folder.poll)):
                    match event:
                        case VoiceAdded(voice=voice):
                            self._offer(voice)
                        case VoiceRemoved(name=name):
                            self._withdraw(name)
                await asyncio.sleep(self._settings.voice_poll_s)
        finally:
            self._loader.shutdown(wait=False, cancel_futures=True)

    def _open(self, path: Path) -> LoadedVoice:
        synthesizer = open_voice(path, self._settings.engine, self._settings.precision)
        return warm(synthesizer)  # by itself: the other lanes have calls to compute

    def _offer(self, voice: LoadedVoice) -> None:
        for manifest in self._speaker.voices:
            if manifest.voice == voice.manifest.voice:
                self._metrics.model_gone(manifest, self._settings.engine)
        first_s = voice.costs.work_s(FIRST_CHUNK_S, 0.0, voice.manifest.steps)
        if first_s > self._settings.max_first_audio_s:
            _log.warning(
                "voice %s took %.2f s to its first sound, and calls that would wait for longer than"
                " %g s are refused; until calls show that the machine is quicker, few are served",
                voice.manifest.voice,
                first_s,
                self._settings.max_first_audio_s,
            )
        self._speaker.add_voice(voice)
        self._metrics.model_info(voice.manifest, self._settings.engine)
        self.filled.set()

    def _withdraw(self, name: str) -> None:
        manifest = self._speaker.remove_voice(name).manifest
        self._metrics.model_gone(manifest, self._settings.engine)


def _lower_priority() -> None:
    """Of this thread alone, which is a process to the scheduler of Linux; elsewhere nothing."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
