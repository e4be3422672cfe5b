"""What longer texts and more streams cost, in time per second of audio and in memory.

Each text is spoken in a process of its own, so that its peak of memory is that text's:
`python -m dlpo_bench.scaling SETTINGS` is such a process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Barrier
from typing import Any, Literal

import grpc
import numpy as np

from dlpo.errors import EngineError, InputError
from dlpo_bench.compare import compare_medians
from dlpo_bench.load.texts import SENTENCES
from dlpo_bench.machine import (
    memory_growth,
    peak_mb,
    process_cpu_s,
    resident_mb,
    watch_machine,
)
from dlpo_bench.record import Measured
from dlpo_serving.client import CallError, RetryPolicy, SpeechClient
from dlpo_serving.engines import EnginePrecision
from dlpo_serving.local.local_server import local_server
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import DEFAULT_VOICE, open_voice

Way = Literal["stream", "whole", "served"]
"""Pieces that are dropped, one array, or pieces from a server."""
WARM_UP = "Noise becomes speech, step by step."
SENTENCE_S = 5.4  # of our voice, with the pause after it
SETTLED_S = 10.0  # of audio; by then the largest graph inputs have occurred
READ_EVERY_S = 5.0  # of audio, between two readings of memory
STREAM_S = 20.0  # of each concurrent stream
START_S = 30.0  # for all callers to be connected
SHORT, LONG = "5", "60"  # seconds; of the ratios
RATIOS = ("rtf", "cpu_rtf", "peak_mb", "first_audio_ms")

Progress = Callable[[str], object]
Run = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ScalingOptions:
    """What is spoken, how often and where."""

    voice: str = DEFAULT_VOICE
    """a name or the path of a bundle"""
    precision: EnginePrecision | None = None
    """of the denoiser, on `cpu`; None is the voice's own"""
    seconds: tuple[float, ...] = (5, 10, 20, 40, 60, 300)
    """lengths of the texts, about"""
    streams: tuple[int, ...] = (1, 2, 4, 8, 16)
    """concurrent callers"""
    ways: tuple[Way, ...] = ("stream", "whole", "served")
    """in which the texts are spoken"""
    rounds: int = 4
    """each with another of the four sentences"""
    core: int = 0
    """of the processes that speak one text; servers have all cores"""

    def __post_init__(self) -> None:
        """Raises InputError for a value that can't be used."""
        if not self.seconds or min(self.seconds) <= 0 or len(set(self.seconds)) < 2:
            raise InputError(f"seconds are {self.seconds}; expected two lengths or more above 0")
        if self.streams and min(self.streams) < 1:
            raise InputError(f"streams are {self.streams}; expected 1 or more")
        if self.rounds < 2:
            raise InputError(f"rounds is {self.rounds}; an interval needs 2 or more")

    def server_arguments(self) -> list[str]:
        """Options of a server."""
        return ["--precision", self.precision] if self.precision else []


def measure_scaling(options: ScalingOptions, progress: Progress) -> Measured:
    """Measure what `options` asks for.

    Returns:
        Figures by way and length and by number of streams; `ratios`: way -> measure -> that at
        60 s / that at 5 s with its 95 % interval, where both lengths were spoken. As `problems`
        what disturbed the run.

    Raises:
        EngineError: a process or a server failed.
    """
    with watch_machine() as watch:
        lengths = measure_lengths(options, progress)
        streams = measure_streams(options, progress)
    samples = {
        way: {length: _samples(runs) for length, runs in by_length.items()}
        for way, by_length in lengths.items()
    }
    figures = {
        "machine": watch.interference.figures(),
        "rounds": options.rounds,
        "core": options.core,
        "ratios": {way: found for way, one in samples.items() if (found := long_over_short(one))},
        "lengths": {
            way: {length: length_figures(runs) for length, runs in by_length.items()}
            for way, by_length in lengths.items()
        },
        "streams": {count: stream_figures(runs) for count, runs in streams.items()},
    }
    readings = {
        way: {length: [run["resident_mb"] for run in runs] for length, runs in by_length.items()}
        for way, by_length in lengths.items()
        if way != "whole"
    }
    raw = {"lengths": samples, "readings": readings, "streams": streams}
    return Measured(figures, raw, problems=watch.interference.warnings())


def text_of(seconds: float, number: int) -> str:
    """One sentence of 80 characters, repeated to about so many seconds, at least once.

    One sentence, since sentences differ in cost: only the length changes. Another `number` is
    another sentence.
    """
    sentence = SENTENCES[number % len(SENTENCES)]
    return " ".join([sentence] * max(1, round(seconds / SENTENCE_S)))


def measure_lengths(options: ScalingOptions, progress: Progress) -> dict[str, dict[str, list[Run]]]:
    """Speak every length every way, once a round, each round another sentence.

    Returns:
        Way -> length in seconds, as text -> the outcome of each round, see `speak_one`.

    Raises:
        EngineError: a process failed; its message is on standard error.
    """
    found: dict[str, dict[str, list[Run]]] = {
        way: {f"{seconds:g}": [] for seconds in options.seconds} for way in options.ways
    }
    for number in range(options.rounds):
        progress(f"lengths, round {number + 1} of {options.rounds}")
        for way in options.ways:
            for seconds in options.seconds:
                speak = _served if way == "served" else _in_process
                run = speak(options, way, text_of(seconds, number), number)
                found[way][f"{seconds:g}"].append(run)
    return found


def measure_streams(options: ScalingOptions, progress: Progress) -> dict[str, list[Run]]:
    """Call a fresh server with each number of concurrent callers, once a round.

    Returns:
        Number of callers, as text -> of each round `first_audio_ms` of every caller that was
        served, `refused`, seconds of audio per second (`speed`), memory before and at most.
    """
    found: dict[str, list[Run]] = {str(count): [] for count in options.streams}
    for number in range(options.rounds if options.streams else 0):
        progress(f"streams, round {number + 1} of {options.rounds}")
        for count in options.streams:
            found[str(count)].append(_concurrent(options, count, number))
    return found


def length_figures(runs: Sequence[Run]) -> dict[str, float]:
    """Medians over the rounds, and how memory grew during the longest texts.

    `growth_per_minute` is of resident memory, a share per minute of audio after the first ten
    seconds; where there are at least three readings.
    """
    figures = {"audio_s": runs[0]["audio_s"]}
    for name, values in _samples(runs).items():
        figures[name] = float(np.median(values))
    growths = []
    for run in runs:
        readings = [reading for reading in run.get("resident_mb", ()) if reading[0] >= SETTLED_S]
        if len(readings) >= 3:
            minutes = (readings[-1][0] - readings[0][0]) / 60
            growths.append(memory_growth(readings) / minutes)
    if growths:
        figures["growth_per_minute"] = float(np.median(growths))
    return figures


def stream_figures(runs: Sequence[Run]) -> dict[str, float]:
    """Medians over the rounds; of first audio, over all callers of all rounds."""
    first_ms = [ms for run in runs for ms in run["first_audio_ms"]]
    figures = {
        name: float(np.median([run[name] for run in runs]))
        for name in ("peak_mb", "before_mb", "speed")
    }
    figures["refused"] = sum(run["refused"] for run in runs)
    if first_ms:
        figures["first_audio_ms_p50"] = float(np.percentile(first_ms, 50))
        figures["first_audio_ms_most"] = max(first_ms)
    return figures


def long_over_short(samples: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Any]:
    """Measure -> ratio of medians of `LONG` to `SHORT`; empty where one of them is missing."""
    if SHORT not in samples or LONG not in samples:
        return {}
    return {
        measure: compare_medians(
            measure, np.array(samples[SHORT][measure]), np.array(samples[LONG][measure])
        ).ratio.figure
        for measure in RATIOS
        if measure in samples[SHORT]
    }


def speak_one(voice: str, precision: EnginePrecision | None, way: str, text: str, seed: int) -> Run:
    """Speak a warm-up and a text in this process.

    Args:
        way: "stream" drops each piece, "whole" keeps all audio in one array.

    Returns:
        `audio_s`, `wall_s`, `cpu_s`, memory before the text (`before_mb`) and at most (`peak_mb`);
        of a stream also `first_audio_ms` and (audio, memory) readings `resident_mb`.
    """
    synthesizer = open_voice(voice, "cpu", precision)
    rate_hz = synthesizer.manifest.sample_rate_hz
    synthesizer.speak(SpeechRequest(WARM_UP))
    before_mb = resident_mb()
    request = SpeechRequest(text, seed=seed)
    cpu_s, start_s = time.process_time(), time.perf_counter()
    if way == "stream":
        run = receive(lambda: synthesizer.stream(synthesizer.read(request)), rate_hz, None)
    else:
        audio_s = len(synthesizer.speak(request)) / rate_hz
        run = {"audio_s": audio_s, "wall_s": time.perf_counter() - start_s}
    cpu_s = time.process_time() - cpu_s
    return {**run, "cpu_s": cpu_s, "before_mb": before_mb, "peak_mb": peak_mb()}


def receive(pieces: Callable[[], Iterable[Any]], rate_hz: int, pid: int | None) -> Run:
    """Request pieces and take them all, with the memory of the process that speaks.

    Args:
        pieces: makes the request; each piece has `samples`.
        rate_hz: of the samples.
        pid: of the process that speaks; None is this one.

    Returns:
        `audio_s`, `wall_s`, `first_audio_ms`, and (audio, memory) readings `resident_mb`.
    """
    start_s = time.perf_counter()
    samples, first_s = 0, 0.0
    readings: list[tuple[float, float]] = []
    for piece in pieces():
        first_s = first_s or time.perf_counter() - start_s
        samples += len(piece.samples)
        if not readings or samples / rate_hz - readings[-1][0] >= READ_EVERY_S:
            readings.append((samples / rate_hz, resident_mb(pid)))
    return {
        "audio_s": samples / rate_hz,
        "wall_s": time.perf_counter() - start_s,
        "first_audio_ms": 1000 * first_s,
        "resident_mb": readings,
    }


def _in_process(options: ScalingOptions, way: Way, text: str, seed: int) -> Run:
    settings = {
        "voice": options.voice, "precision": options.precision, "way": way, "text": text,
        "seed": seed, "core": options.core,
    }  # fmt: skip
    command = [sys.executable, "-m", "dlpo_bench.scaling", json.dumps(settings)]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if child.returncode:
        raise EngineError(f"a process ended with {child.returncode}; see its message above")
    run: Run = json.loads(child.stdout)
    return run


def _served(options: ScalingOptions, way: Way, text: str, seed: int) -> Run:
    """From a warm server of its own."""
    with (
        local_server(options.voice, *options.server_arguments()) as server,
        SpeechClient(server.address) as client,
    ):
        pid = server.process.pid
        rate_hz = client.speak(SpeechRequest(WARM_UP)).message.info.format.sample_rate_hz
        before_mb, before_s = resident_mb(pid), process_cpu_s(pid)
        run = receive(lambda: client.stream(SpeechRequest(text, seed=seed)), rate_hz, pid)
        cpu_s = process_cpu_s(pid) - before_s
        return {**run, "cpu_s": cpu_s, "before_mb": before_mb, "peak_mb": peak_mb(pid)}


def _concurrent(options: ScalingOptions, count: int, seed: int) -> Run:
    with local_server(options.voice, *options.server_arguments()) as server, ExitStack() as stack:
        pid = server.process.pid
        # A refusal is an answer here: nothing is tried again.
        clients = [
            stack.enter_context(SpeechClient(server.address, retries=RetryPolicy(attempts=1)))
            for _ in range(count)
        ]
        for client in clients:  # connected, and the server warm
            rate_hz = client.speak(SpeechRequest(WARM_UP)).message.info.format.sample_rate_hz
        before_mb = resident_mb(pid)
        barrier = Barrier(count)

        def call(number: int) -> Run | None:
            request = SpeechRequest(text_of(STREAM_S, number), seed=1000 * seed + number)
            barrier.wait(START_S)
            try:
                return receive(lambda: clients[number].stream(request), rate_hz, pid)
            except CallError as error:
                if error.code != grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                return None

        with ThreadPoolExecutor(count) as callers:
            served = [one for one in callers.map(call, range(count)) if one]
        most_mb = peak_mb(pid)
    slowest_s = max((one["wall_s"] for one in served), default=0.0)
    return {
        "first_audio_ms": [one["first_audio_ms"] for one in served],
        "refused": count - len(served),
        "speed": sum(one["audio_s"] for one in served) / slowest_s if served else 0.0,
        "before_mb": before_mb,
        "peak_mb": most_mb,
    }


def _samples(runs: Sequence[Run]) -> dict[str, list[float]]:
    """Measure -> a value for each round."""
    samples = {
        "rtf": [run["wall_s"] / run["audio_s"] for run in runs],
        "peak_mb": [run["peak_mb"] for run in runs],
        "grown_mb": [run["peak_mb"] - run["before_mb"] for run in runs],
    }
    if all("cpu_s" in run for run in runs):
        samples["cpu_rtf"] = [run["cpu_s"] / run["audio_s"] for run in runs]
    if "first_audio_ms" in runs[0]:
        samples["first_audio_ms"] = [run["first_audio_ms"] for run in runs]
    return samples


def main() -> None:
    """Print the outcome of `speak_one`."""
    settings = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {settings.pop("core")})
    print(json.dumps(speak_one(**settings)))


if __name__ == "__main__":
    main()
