"""What longer texts cost, in time per second of audio and in memory.

Each text is spoken in a process of its own, so that the memory peak belongs to that text:
`python -m dlpo_bench.scaling SETTINGS` is such a process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from dlpo.bundle import Bundle
from dlpo.errors import EngineError, InputError
from dlpo_bench.compare import compare_medians
from dlpo_bench.load.texts import SENTENCE_S, SENTENCES
from dlpo_bench.machine import (
    choose_cores,
    memory_growth,
    peak_mb,
    resident_mb,
)
from dlpo_bench.options import ScalingOptions
from dlpo_bench.record import Measured
from dlpo_bench.statistics import Tell, silent
from dlpo_serving.engines import EnginePrecision
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import find_voice, open_voice

WAYS = ("stream", "whole")
"""Chunks that are dropped, or one array."""
WARM_UP = "Noise becomes speech, step by step."
SETTLED_S = 10.0  # of audio; by then the largest graph inputs have occurred
READ_EVERY_S = 5.0  # of audio between two readings of memory
SHORT, LONG = "5", "60"  # seconds; lengths that the ratios compare
RATIOS = ("rtf", "cpu_rtf", "peak_mb", "first_audio_ms")

Run = dict[str, Any]


def measure_scaling(options: ScalingOptions, tell: Tell = silent) -> Measured:
    """Speak texts of each length in each way.

    Returns:
        Figures by way and length; `ratios`: way -> measure -> value at 60 s / value at 5 s with its
        95 % interval, if both lengths were spoken.

    Raises:
        InputError: fewer than two lengths, or an unusable core.
        EngineError: a process or a server failed.
    """
    seconds = list(dict.fromkeys(options.seconds))
    if min(seconds) <= 0 or len(seconds) < 2:
        raise InputError(f"seconds are {seconds}; expected two lengths or more above 0")
    bundle = Bundle.load(find_voice(options.voice))
    core, numbers = choose_cores(1, options.core)[0], range(options.rounds)
    lengths: dict[str, dict[str, list[Run]]] = {
        way: {f"{length:g}": [] for length in seconds} for way in WAYS
    }
    for number in numbers:  # each round uses a different sentence
        tell(f"round {number + 1} of {options.rounds}")
        for way, length in ((way, length) for way in WAYS for length in seconds):
            text = repeated(length, number)
            lengths[way][f"{length:g}"].append(in_process(options, way, text, number, core))
    samples = {way: {k: _samples(runs) for k, runs in by.items()} for way, by in lengths.items()}
    figures = {
        "rounds": options.rounds,
        "core": core,
        "ratios": {way: found for way, one in samples.items() if (found := long_over_short(one))},
        "lengths": {
            way: {length: length_figures(runs) for length, runs in by_length.items()}
            for way, by_length in lengths.items()
        },
    }
    streamed = lengths["stream"].items()
    readings = {length: [run["resident_mb"] for run in runs] for length, runs in streamed}
    raw = {"lengths": samples, "readings": {"stream": readings}}
    return Measured(figures, raw, bundle_sha256=bundle.sha256)


def repeated(seconds: float, number: int) -> str:
    """One sentence of 80 characters, repeated to about `seconds`, at least once.

    Only one sentence, so that only the length varies: sentences differ in cost. Each `number` is a
    different sentence.
    """
    sentence = SENTENCES[number % len(SENTENCES)]
    return " ".join([sentence] * max(1, round(seconds / SENTENCE_S)))


def length_figures(runs: Sequence[Run]) -> dict[str, float]:
    """Medians over the rounds, and how memory grew during the longest texts.

    `growth_per_minute` is the share by which resident memory grew per minute of audio after the
    first ten seconds, given at least three readings.
    """
    medians = {name: float(np.median(values)) for name, values in _samples(runs).items()}
    growths = []
    for run in runs:
        readings = [reading for reading in run.get("resident_mb", ()) if reading[0] >= SETTLED_S]
        if len(readings) >= 3:
            minutes = (readings[-1][0] - readings[0][0]) / 60
            growths.append(memory_growth(readings) / minutes)
    growth = {"growth_per_minute": float(np.median(growths))} if growths else {}
    return {"audio_s": runs[0]["audio_s"], **medians, **growth}


def long_over_short(samples: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Any]:
    """Measure -> ratio of medians of `LONG` to `SHORT`; empty if one of them is missing."""
    if SHORT not in samples or LONG not in samples:
        return {}
    short, long = samples[SHORT], samples[LONG]
    return {
        name: compare_medians(name, np.array(short[name]), np.array(long[name])).ratio.figure
        for name in RATIOS
        if name in short
    }


def speak_one(voice: str, precision: EnginePrecision | None, way: str, text: str, seed: int) -> Run:
    """Speak a warm-up and a text in this process.

    Args:
        way: "stream" drops each chunk, "whole" keeps all audio in one array.

    Returns:
        `audio_s`, `wall_s`, `cpu_s`, memory before the text (`before_mb`) and at its peak
        (`peak_mb`); for a stream also `first_audio_ms` and (audio, memory) readings `resident_mb`.
    """
    synthesizer = open_voice(voice, "cpu", precision)
    rate_hz = synthesizer.manifest.sample_rate_hz
    synthesizer.speak(SpeechRequest(WARM_UP))
    before_mb, request = resident_mb(), SpeechRequest(text, seed=seed)
    cpu_s, start_s = time.process_time(), time.perf_counter()
    run: Run = {"audio_s": 0.0, "resident_mb": []}
    if way == "stream":
        for chunk in synthesizer.stream(synthesizer.read(request)):
            run.setdefault("first_audio_ms", 1000 * (time.perf_counter() - start_s))
            run["audio_s"] += len(chunk.samples) / rate_hz
            if run["audio_s"] >= READ_EVERY_S * len(run["resident_mb"]):
                run["resident_mb"].append((run["audio_s"], resident_mb()))
    else:
        run["audio_s"] = len(synthesizer.speak(request)) / rate_hz
    wall_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    return run | {
        "wall_s": wall_s, "cpu_s": cpu_s, "before_mb": before_mb, "peak_mb": peak_mb(),
    }  # fmt: skip


def in_process(options: ScalingOptions, way: str, text: str, seed: int, core: int) -> Run:
    """Run `speak_one` in a fresh process on one core; raises EngineError if that fails."""
    settings = {
        "voice": options.voice, "precision": options.precision, "way": way, "text": text,
        "seed": seed, "core": core,
    }  # fmt: skip
    command = [sys.executable, "-m", "dlpo_bench.scaling", json.dumps(settings)]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if child.returncode:
        raise EngineError(f"a process ended with {child.returncode}; see its message above")
    return cast(Run, json.loads(child.stdout))


def _samples(runs: Sequence[Run]) -> dict[str, list[float]]:
    """Measure -> one value per round."""
    samples = {
        "rtf": [run["wall_s"] / run["audio_s"] for run in runs],
        "peak_mb": [run["peak_mb"] for run in runs],
        "grown_mb": [run["peak_mb"] - run["before_mb"] for run in runs],
        "cpu_rtf": [run["cpu_s"] / run["audio_s"] for run in runs],
    }
    if "first_audio_ms" in runs[0]:
        samples["first_audio_ms"] = [run["first_audio_ms"] for run in runs]
    return samples


if __name__ == "__main__":
    chosen = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {chosen.pop("core")})
    print(json.dumps(speak_one(**chosen)))
