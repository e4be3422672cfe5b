"""Texts of growing length, each in a fresh process, in turns."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dlpo.errors import EngineError
from dlpo_bench.latency import SENTENCES
from dlpo_bench.load.machine import memory_growth
from dlpo_bench.proc import memory_mb, threads_cpu_s
from dlpo_bench.scaling.listening import listen
from dlpo_bench.scaling.one_text import WARM_UP
from dlpo_bench.scaling.options import ScalingOptions, Way
from dlpo_serving.client import SpeechClient
from dlpo_serving.local_server import local_server
from dlpo_serving.request import SpeechRequest

SENTENCE_S = 5.4  # of our voice, with the pause behind it
SETTLED_S = 10.0  # of audio; by then the largest graph inputs were there


def text_of(seconds: float, number: int) -> str:
    """One sentence of 80 characters, as often as takes about so long, at least once.

    The same sentence, since sentences differ in what they cost: only the length changes. Another
    `number` is another sentence.
    """
    sentence = SENTENCES[number % len(SENTENCES)]
    return " ".join([sentence] * max(1, round(seconds / SENTENCE_S)))


def measure_lengths(
    options: ScalingOptions, tell: Callable[[str], None]
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Speak every length every way, once a round; each round another sentence.

    Returns:
        Way -> length in seconds, as text -> what each round gave, see `one_text.speak_one`; of a
        server its memory and processor time.

    Raises:
        EngineError: a process failed; its message is on standard error.
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = {
        way: {f"{seconds:g}": [] for seconds in options.seconds} for way in options.ways
    }
    for number in range(options.rounds):
        tell(f"lengths, round {number + 1} of {options.rounds}")
        for way in options.ways:
            for seconds in options.seconds:
                speak = _served if way == "served" else _in_process
                text = text_of(seconds, number)
                found[way][f"{seconds:g}"].append(speak(options, way, text, number))
    return found


def rtf_samples(runs: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
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


def length_figures(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Medians over the rounds, and how memory grew while the longest texts were spoken.

    `growth_per_minute` is of resident memory, a share for a minute of audio after the first ten
    seconds of it; where there are at least three readings.
    """
    figures = {"audio_s": runs[0]["audio_s"]}
    for name, values in rtf_samples(runs).items():
        figures[name] = float(np.median(values))
    if grown := [g for run in runs if (g := _growth_per_minute(run)) is not None]:
        figures["growth_per_minute"] = float(np.median(grown))
    return figures


def _growth_per_minute(run: Mapping[str, Any]) -> float | None:
    readings: list[tuple[int, float]] = [
        (round(at_s), mb) for at_s, mb in run.get("resident_mb", ()) if at_s >= SETTLED_S
    ]
    if len(readings) < 3:
        return None
    minutes: float = (readings[-1][0] - readings[0][0]) / 60
    return memory_growth(readings) / minutes


def _in_process(options: ScalingOptions, way: Way, text: str, seed: int) -> dict[str, Any]:
    settings = json.dumps(
        {
            "voice": options.voice,
            "precision": options.precision,
            "way": way,
            "text": text,
            "seed": seed,
            "core": options.core,
        }
    )
    command = [sys.executable, "-m", "dlpo_bench.scaling.one_text", settings]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if child.returncode:
        raise EngineError(f"a process ended with {child.returncode}; see its message above")
    run: dict[str, Any] = json.loads(child.stdout)
    return run


def _served(options: ScalingOptions, way: Way, text: str, seed: int) -> dict[str, Any]:
    """From a server of its own, which is as warm as its health says."""
    with (
        local_server(options.voice, *options.server_words()) as server,
        SpeechClient(server.address) as client,
    ):
        pid = server.process.pid
        rate_hz = client.speak(SpeechRequest(WARM_UP)).message.info.format.sample_rate_hz
        before_mb, before_s = memory_mb(pid, "VmRSS"), threads_cpu_s(pid)
        heard = listen(lambda: client.stream(SpeechRequest(text, seed=seed)), rate_hz, pid)
        after_s = threads_cpu_s(pid)
        return {
            **(
                {"cpu_s": after_s - before_s}
                if before_s is not None and after_s is not None
                else {}
            ),
            "audio_s": heard.audio_s,
            "wall_s": heard.wall_s,
            "first_audio_ms": 1000 * heard.first_audio_s,
            "resident_mb": heard.resident_mb,
            "before_mb": before_mb,
            "peak_mb": memory_mb(pid, "VmHWM"),
        }
