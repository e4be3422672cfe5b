"""What longer texts cost, in time per second of audio and in memory.

Each text is streamed in a process of its own, a peer as in `dlpo bench peers`, so that the memory
peak belongs to that text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlpo.bundle import Bundle
from dlpo.errors import InputError
from dlpo_bench.compare import compare_medians
from dlpo_bench.load.texts import SENTENCE_S, SENTENCES
from dlpo_bench.machine import choose_cores
from dlpo_bench.options import ScalingOptions
from dlpo_bench.peers.measure import own_voice, peer_process
from dlpo_bench.record import Measured
from dlpo_bench.statistics import Tell, silent
from dlpo_serving.voices import find_voice

WARM_UP = "Noise becomes speech, step by step."
SHORT, LONG = "5", "60"  # seconds; lengths that the ratios compare
MEASURES = {"rtf": "rtf", "cpu_rtf": "cpu_rtf", "peak_mb": "peak_mb", "first_ms": "first_audio_ms"}
"""What a peer answers -> its name in records"""

Samples = dict[str, list[float]]
"""Measure -> one value per round."""


def measure_scaling(options: ScalingOptions, tell: Tell = silent) -> Measured:
    """Stream texts of each length; each round uses a different sentence.

    Returns:
        Figures by length; `ratios`: measure -> value at 60 s / value at 5 s with its 95 % interval,
        if both lengths were spoken.

    Raises:
        InputError: fewer than two lengths, or an unusable core.
        EngineError: a process failed.
    """
    seconds = list(dict.fromkeys(options.seconds))
    if min(seconds) <= 0 or len(seconds) < 2:
        raise InputError(f"seconds are {seconds}; expected two lengths or more above 0")
    core, bundle = choose_cores(1, options.core)[0], Bundle.load(find_voice(options.voice))
    voice = own_voice(options.voice, options.precision or bundle.manifest.precision)
    samples: dict[str, Samples] = {f"{length:g}": {} for length in seconds}
    for number in range(options.rounds):
        tell(f"round {number + 1} of {options.rounds}")
        for length in seconds:
            text = repeated(length, number)
            with peer_process(voice, core) as process:
                process.speak(WARM_UP, number)
                found = process.speak(text, number) | process.ask(do="memory", text=text)
            measured = {"audio_s": found["audio_s"]} | {
                name: found[answered] for answered, name in MEASURES.items()
            }
            for name, value in measured.items():
                samples[f"{length:g}"].setdefault(name, []).append(value)
    medians = {
        length: {name: float(np.median(values)) for name, values in one.items()}
        for length, one in samples.items()
    }
    figures = {
        "rounds": options.rounds,
        "core": core,
        "ratios": {"stream": ratios} if (ratios := long_over_short(samples)) else {},
        "lengths": {"stream": medians},
    }
    return Measured(figures, {"lengths": {"stream": samples}}, bundle_sha256=bundle.sha256)


def repeated(seconds: float, number: int) -> str:
    """One sentence of 80 characters, repeated to about `seconds`, at least once.

    Only one sentence, so that only the length varies: sentences differ in cost. Each `number` is a
    different sentence.
    """
    sentence = SENTENCES[number % len(SENTENCES)]
    return " ".join([sentence] * max(1, round(seconds / SENTENCE_S)))


def long_over_short(samples: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    """Measure -> ratio of medians of `LONG` to `SHORT`; empty if one of them is missing."""
    if SHORT not in samples or LONG not in samples:
        return {}
    short, long = samples[SHORT], samples[LONG]
    return {
        name: compare_medians(name, np.array(short[name]), np.array(long[name])).ratio.figure
        for name in MEASURES.values()
    }
