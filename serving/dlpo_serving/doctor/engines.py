"""Every engine speaks, or says why it can't."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from dlpo.bundle import Bundle
from dlpo.errors import DlpoError
from dlpo_serving.doctor.observation import Observation, State
from dlpo_serving.engines import PRECISIONS
from dlpo_serving.voices import find_voice

TRIAL_S = 120.0  # TensorRT builds its engines the first time


def try_engines(voice: str) -> Iterator[Observation]:
    """One observation for each engine and precision that there is a reason to tell of.

    Each engine runs in a process of its own: a library that is made for another machine may end
    it. An engine that can't be opened at all is told of once.

    Args:
        voice: name or path of a bundle.
    """
    try:
        Bundle.load(find_voice(voice))
    except DlpoError as error:
        yield Observation(f"voice {voice}", "problem", str(error))
        return
    for engine in PRECISIONS:
        yield from _tried(engine, voice)


def _tried(engine: str, voice: str) -> Iterator[Observation]:
    subject = f"engine {engine}"
    command = [sys.executable, "-P", "-m", "dlpo_serving.doctor.trial", engine, voice]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=TRIAL_S)
    except subprocess.TimeoutExpired:
        yield Observation(subject, "problem", f"did not speak within {TRIAL_S:g} s")
        return
    results = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    for result in results:
        yield _observation(subject, result)
    if run.returncode:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        how = _ending(run.returncode)
        yield Observation(
            subject, "problem", f"{how}: {last}", "pip install --force-reinstall 'dlpo[serve]'"
        )


def _observation(subject: str, result: dict[str, Any]) -> Observation:
    if precision := result["precision"]:
        subject += f" {precision}"
    if "rtf" in result:
        detail = "RTF {rtf:.3f}, {audio_s:.2f} s of speech, opened in {open_s:.2f} s"
        return Observation(subject, "ok", detail.format_map(result))
    what, _, remedy = result["error"].partition("; ")
    state: State = "absent" if result["expected"] else "problem"
    return Observation(subject, state, what, remedy.removeprefix("run: "))


def _ending(returncode: int) -> str:
    if returncode < 0:
        return f"the process was ended by {signal.Signals(-returncode).name}"
    return f"the process ended with {returncode}"
