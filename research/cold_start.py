"""How long a process takes from its start to the first audio, as in `dlpo say`.

    python -m research.cold_start --record

The files are in the page cache, since the machine has read them before, and the first start
compiles modules that were installed uncompiled; everything else is cold. Each figure is the minimum
over all starts, in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo.errors import EngineError
from dlpo_bench.machine import interference, machine_clocks
from dlpo_bench.record import RECORDS, Measured, check_recordable, write_record
from dlpo_serving.voices import find_voice

TEXT = "Noise becomes speech, step by step."
# Imports in the order of `dlpo say`. The clock is system-wide, so that the parent's reading before
# the start can be subtracted.
COLD_PROCESS = """
import time
clock = [time.monotonic()]
import json, sys
import dlpo.cli
import dlpo_serving.local.say
clock.append(time.monotonic())
from dlpo_serving.request import SpeechRequest
from dlpo.bundle import DEFAULT_VOICE
from dlpo_serving.voices import open_voice
voice, engine, precision, text = json.loads(sys.argv[1])
speaker = open_voice(voice, engine, precision)
clock.append(time.monotonic())
next(speaker.stream(speaker.read(SpeechRequest(text))))
clock.append(time.monotonic())
print(json.dumps([clock, time.process_time()]))
"""


def measure_cold_start(voice: str, starts: int) -> Measured:
    """Start `starts` processes.

    Returns:
        Milliseconds until Python runs (`python_ms`), for our imports (`imports_ms`), for opening
        the voice (`open_voice_ms`), for its first chunk (`first_chunk_ms`), the sum of these
        (`first_audio_ms`), and the CPU time of all threads (`processor_ms`). The samples are the
        individual starts.

    Raises:
        EngineError: a process failed; its message is on standard error.
    """
    settings = json.dumps([voice, "cpu", None, TEXT])
    runs = [_cold_start(settings) for _ in range(starts)]
    samples = {name: [run[name] for run in runs] for name in runs[0]}
    figures = {name: min(values) for name, values in samples.items()}
    return Measured(figures, samples, bundle_sha256=Bundle.load(find_voice(voice)).sha256)


def _cold_start(settings: str) -> dict[str, float]:
    command = [sys.executable, "-c", COLD_PROCESS, settings]
    compiling = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.monotonic()
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=compiling)
    if child.returncode:
        raise EngineError(f"the process ended with {child.returncode}; see its message above")
    (python, imported, opened, spoken), processor_s = json.loads(child.stdout)
    return {
        "python_ms": 1000 * (python - start),
        "imports_ms": 1000 * (imported - python),
        "open_voice_ms": 1000 * (opened - imported),
        "first_chunk_ms": 1000 * (spoken - opened),
        "first_audio_ms": 1000 * (spoken - start),
        "processor_ms": 1000 * processor_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser("research.cold_start", description=__doc__)
    parser.add_argument("--voice", default=DEFAULT_VOICE, help="a name or the path of a bundle")
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--record", action="store_true", help="write a benchmark record")
    parser.add_argument("--out", type=Path, default=RECORDS, help="directory of records")
    options = parser.parse_args()
    if options.record:
        check_recordable(options.out)
    begin = machine_clocks()
    found = measure_cold_start(options.voice, options.starts)
    disturbed = interference(begin)
    for line in disturbed.warnings():
        print(f"warning: {line}", file=sys.stderr)
    for name, value in found.figures.items():
        print(f"{name} {value:.0f}")
    if options.record:
        command = f"python -m research.cold_start --voice {options.voice} --record"
        print(write_record("cold-start", found, command, options.out))


if __name__ == "__main__":
    main()
