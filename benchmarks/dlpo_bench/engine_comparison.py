"""Engines against each other on one voice: speed in turns, and how far their audio is apart.

    python -m dlpo_bench.engine_comparison cpu:fp32 openvino:bf16 cpu:int8

The first one named is what the others are compared with.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from dlpo.audio import Waveform
from dlpo.bundle import Bundle
from dlpo.text import TextFrontEnd
from dlpo_bench.latency import SENTENCES
from dlpo_bench.record import write_record
from dlpo_export.parity.log_spectral_distance import log_spectral_distance
from dlpo_serving.chunks import STREAM_LADDER
from dlpo_serving.engines import EngineName, EnginePrecision, open_engine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import DEFAULT_VOICE, find_voice

OFFLINE_LADDER = (1024,)  # frames, 14 s: nearly always the whole sentence
LADDERS = {"offline": OFFLINE_LADDER, "stream": STREAM_LADDER}


def compare_engines(
    names: Sequence[str], voice: str = DEFAULT_VOICE, repeats: int = 5, sentences: int = 4
) -> dict[str, dict[str, float]]:
    """Let each engine speak the same sentences, in turns.

    Args:
        names: such as "cpu" or "openvino:bf16".
        repeats: rounds; the fastest of each engine counts.
        sentences: of `latency.SENTENCES`.

    Returns:
        By name: `load_s`; the real-time factor of whole sentences and of streams, the first round
        (`offline_first_rtf`) apart from the fastest (`offline_rtf`); how many times as fast as the
        first engine (`offline_speed`); and against its audio the error in dB of its energy
        (`offline_error_db`, -400 where equal) and `log_spectral_distance` in dB.

    Raises:
        DlpoError: an engine can't run here; see `open_engine`.
    """
    bundle = Bundle.load(find_voice(voice))
    front_end = TextFrontEnd(bundle.manifest.dictionary)
    speakers, figures = {}, {}
    for name in names:
        engine, _, precision = name.partition(":")
        start = time.perf_counter()
        opened = open_engine(
            bundle, cast(EngineName, engine), cast(EnginePrecision | None, precision or None)
        )
        figures[name] = {"load_s": time.perf_counter() - start}
        speakers[name] = Synthesizer(opened, front_end)
    audio: dict[tuple[str, str], list[Waveform]] = {}
    for index in range(repeats):
        for mode, ladder in LADDERS.items():
            for name, speaker in speakers.items():
                made, rtf = _speak(speaker, ladder, sentences)
                audio[name, mode] = made
                if index == 0:
                    figures[name][f"{mode}_first_rtf"] = rtf
                fastest = figures[name].get(f"{mode}_rtf", rtf)
                figures[name][f"{mode}_rtf"] = min(fastest, rtf)
    for name, of_it in figures.items():
        for mode in LADDERS:
            of_it[f"{mode}_speed"] = figures[names[0]][f"{mode}_rtf"] / of_it[f"{mode}_rtf"]
            pairs = list(zip(audio[name, mode], audio[names[0], "offline"], strict=True))
            of_it[f"{mode}_error_db"] = _error_db(pairs)
            distances = [log_spectral_distance(made, expected) for made, expected in pairs]
            of_it[f"{mode}_log_spectral_db"] = float(np.mean(distances))
    return figures


def _speak(
    speaker: Synthesizer, ladder: Sequence[int], sentences: int
) -> tuple[list[Waveform], float]:
    """The audio of the sentences and its real-time factor."""
    audio, wall_s = [], 0.0
    for seed, text in enumerate(SENTENCES[:sentences]):
        utterance = speaker.read(SpeechRequest(text, seed=seed))
        start = time.perf_counter()
        audio.append(np.concatenate([c.samples for c in speaker.stream(utterance, ladder)]))
        wall_s += time.perf_counter() - start
    return audio, wall_s * speaker.manifest.sample_rate_hz / sum(map(len, audio))


def _error_db(pairs: Sequence[tuple[Waveform, Waveform]]) -> float:
    error = sum(float(np.sum((made - expected) ** 2)) for made, expected in pairs)
    energy = sum(float(np.sum(expected**2)) for _, expected in pairs)
    return 10 * float(np.log10(max(error / energy, 1e-40)))


def main() -> None:
    """Print the figures; with --record, keep them."""
    parser = argparse.ArgumentParser("dlpo_bench.engine_comparison", description=__doc__)
    parser.add_argument("engines", nargs="+", metavar="ENGINE[:PRECISION]")
    parser.add_argument("--voice", default=DEFAULT_VOICE, help="a name or the path of a bundle")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--record", action="store_true", help="write a benchmark record")
    options: Any = parser.parse_args()
    figures = compare_engines(options.engines, options.voice, options.repeats)
    for name in next(iter(figures.values())):
        values = (f"{engine} {of_it[name]:.4g}" for engine, of_it in figures.items())
        print(f"{name:24}", "   ".join(values))
    if options.record:
        command = f"python -m dlpo_bench.engine_comparison {' '.join(options.engines)}"
        command += f" --voice {options.voice} --repeats {options.repeats} --record"
        sha256 = Bundle.load(find_voice(options.voice)).sha256
        print(write_record("engine-comparison", figures, command, bundle_sha256=sha256))


if __name__ == "__main__":
    main()
