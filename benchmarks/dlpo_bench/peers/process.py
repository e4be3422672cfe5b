"""A contestant's process, as seen by the one that asks."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlpo.errors import EngineError
from dlpo_bench.peers.adapters import Contestant

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
