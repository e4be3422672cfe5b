"""How long a process that was just started takes until its first audio, as `dlpo say` would.

The files are in the page cache, since the machine ran it before; everything else is cold.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import get_args

from dlpo.bundle import Bundle
from dlpo.errors import EngineError
from dlpo_bench.noise import watch_machine
from dlpo_bench.record import write_record
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.voices import DEFAULT_VOICE, find_voice

TEXT = "Noise becomes speech, step by step."

# Imports in the order in which the command makes them. The clock is the machine's, so that the
# parent's reading before the start and ours can be subtracted.
_CHILD = """
import time
clock = [time.monotonic()]
import json, sys
import dlpo.cli
import dlpo_serving.say
clock.append(time.monotonic())
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import open_voice
voice, engine, precision, text = json.loads(sys.argv[1])
speaker = open_voice(voice, engine, precision)
clock.append(time.monotonic())
next(speaker.stream(speaker.read(SpeechRequest(text))))
clock.append(time.monotonic())
print(json.dumps([clock, time.process_time()]))
"""


def measure_cold_start(
    voice: str = DEFAULT_VOICE,
    engine: EngineName = "cpu",
    precision: EnginePrecision | None = None,
    repeats: int = 10,
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Start a process `repeats` times.

    Returns:
        Milliseconds, each the least of all repeats: from the start of the process until Python
        runs (`python_ms`), our imports (`imports_ms`), opening the voice (`open_voice_ms`), making
        its first chunk (`first_chunk_ms`), all of it (`first_audio_ms`), and the processor time
        of all its threads (`processor_ms`), which a busy machine disturbs less. And the same of
        each repeat.

    Raises:
        EngineError: a process failed; its message is on standard error.
    """
    runs = [_run(json.dumps([voice, engine, precision, TEXT])) for _ in range(repeats)]
    samples = {name: [run[name] for run in runs] for name in runs[0]}
    return {name: min(values) for name, values in samples.items()}, samples


def _run(arguments: str) -> dict[str, float]:
    start = time.monotonic()
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, arguments], stdout=subprocess.PIPE, text=True
    )
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
    """Print the figures; with --record, keep them."""
    parser = argparse.ArgumentParser("dlpo_bench.cold_start", description=__doc__)
    parser.add_argument("--voice", default=DEFAULT_VOICE, help="a name or the path of a bundle")
    parser.add_argument("--engine", default="cpu", choices=get_args(EngineName))
    parser.add_argument("--precision", choices=get_args(EnginePrecision))
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--record", action="store_true", help="write a benchmark record")
    options = parser.parse_args()
    with watch_machine() as watch:
        figures, samples = measure_cold_start(
            options.voice, options.engine, options.precision, options.repeats
        )
    for line in watch.noise.warnings():
        print(f"warning: {line}", file=sys.stderr)
    for name, value in figures.items():
        print(f"{name:16} {value:8.1f}")
    if options.record:
        command = f"python -m dlpo_bench.cold_start --voice {options.voice} --engine"
        command += f" {options.engine}"
        if options.precision:
            command += f" --precision {options.precision}"
        bundle = Bundle.load(find_voice(options.voice))
        command += " --record"
        sha256 = bundle.sha256
        found = {**figures, "machine": watch.noise.figures()}
        print(write_record("cold-start", found, command, samples=samples, bundle_sha256=sha256))


if __name__ == "__main__":
    main()
