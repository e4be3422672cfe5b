"""A trial of a bundle in a process of its own, before a server that has callers opens it.

Shapes that demand all memory, graphs that compute for hours or crash the run-time end that process
instead of the server: `python -m dlpo_serving.voices.trial PATH [PRECISION]`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import cast

from dlpo.bundle import Bundle
from dlpo.errors import BundleError, EngineError
from dlpo.operating_system import ended_for_time, limit_this_process, lower_priority
from dlpo_serving.engines import EnginePrecision
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.job import compute_unit
from dlpo_serving.voices import open_voice

NICENESS = 10  # streams that play come first
PROCESSOR_S = 60  # for loading a voice and saying a word; the shipped voices take 2
WALL_S = 120  # the same, where processor time can't be limited
MEMORY_BYTES = 4 << 30  # the shipped voices take less than 0.4
TEXT = "Hi."
SAME_HERE = 3  # exit code for an error that the server comes to by itself, without harm
HARMLESS = (BundleError, OSError)  # found before any graph is read
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def try_bundle(path: Path, precision: EnginePrecision | None = None) -> None:
    """Speak a word with a bundle on the CPU, in a process with limits; returns if it did.

    Also returns after errors of a file system, which a server sees too and may try again.

    Raises:
        BundleError: the bundle is damaged.
        EngineError: a graph could not be computed within the limits, or ended the process.
    """
    Bundle.load(path)
    command = [sys.executable, "-m", __name__, str(path), precision or ""]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command,
        stdin=pipe,
        stdout=subprocess.DEVNULL,
        stderr=pipe,
        env={**os.environ, **ONE_THREAD},
    ) as process:
        assert process.stderr
        output = process.stderr.read().decode("utf-8", "replace").strip()
        code = process.wait()
    if code not in (0, SAME_HERE):
        raise EngineError(f"{path}: {_reason(code, output)}")


def _reason(code: int, output: str) -> str:
    if ended_for_time(code):
        return f"speaking {TEXT!r} took more than {PROCESSOR_S} s of processor; export again"
    if code < 0:
        return f"speaking {TEXT!r} crashed the run-time (signal {-code}); export again"
    gigabytes = MEMORY_BYTES >> 30
    last = output.rpartition("\n")[2][:500] or f"exit code {code}"
    return f"speaking {TEXT!r} failed in a process that may take {gigabytes} GB: {last}"


def main(path: str, precision: str) -> None:
    """Speak with each number of steps; exits with `SAME_HERE` after an error of the files."""
    lower_priority(NICENESS)
    limit_this_process(PROCESSOR_S, MEMORY_BYTES, WALL_S)
    threading.Thread(target=_end_with_server, daemon=True).start()
    try:
        voice = open_voice(Path(path), "cpu", cast("EnginePrecision", precision) or None)
        for steps in voice.manifest.available_steps:
            job = voice.job(voice.read(SpeechRequest(TEXT, steps=steps)))
            while unit := job.next_unit:
                compute_unit(unit, [job])
    except HARMLESS:
        sys.exit(SAME_HERE)
    # Process boundary: the server tells in its log what goes to stderr.
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")


def _end_with_server() -> None:
    # Comes to the end of the pipe when the server ends; a buffered read would block exit.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
