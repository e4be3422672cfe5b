"""What each way to stream costs: frames that are denoised, and CPU time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlpo.bundle import Bundle
from dlpo.text import TextFrontEnd
from dlpo_bench.streaming_methods import Denoise, Method, Piece, Sentence
from dlpo_serving.chunks import STREAM_LADDER
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer

LADDERS: Mapping[str, tuple[int, ...]] = {
    "0.1 s": (7,),
    "0.25 s": (18,),
    "0.5 s": (37,),
    "8 16 32 64": (8, 16, 32, 64),
    "as served": STREAM_LADDER,
}

Costs = dict[str, dict[str, dict[str, float]]]
"""Ladder -> method -> figures."""


def costs(
    denoise: Denoise, methods: Mapping[str, Method], sentence: Sentence, rounds: int
) -> tuple[Costs, dict[str, Any]]:
    """Frames and CPU times, all methods in turn so that a busy machine is busy for all of them.

    Returns:
        Ladder -> method -> figures, times the shortest of all rounds; and the times of each round:
        `whole_ms` of the sentence in one pass, and for each ladder and method `first_chunk_ms` and
        `stream_ms`.
    """
    whole_ms: list[float] = []
    times: dict[str, dict[str, dict[str, list[float]]]] = {
        ladder: {name: {"first_chunk_ms": [], "stream_ms": []} for name in methods}
        for ladder in LADDERS
    }
    for _ in range(rounds):
        start = time.process_time()
        denoise(sentence.conditioning, sentence.source, sentence.noise)
        whole_ms.append(_ms_since(start))
        for ladder, rungs in LADDERS.items():
            for name, method in methods.items():
                start = time.process_time()
                pieces = method.stream(sentence, rungs)
                next(pieces)
                times[ladder][name]["first_chunk_ms"].append(_ms_since(start))
                for _ in pieces:
                    pass
                times[ladder][name]["stream_ms"].append(_ms_since(start))
    found: Costs = {}
    for ladder, rungs in LADDERS.items():
        found[ladder] = {}
        for name, method in methods.items():
            made = list(method.stream(sentence, rungs))
            inner = _inner(made)
            first_ms, stream_ms = (min(ms) for ms in times[ladder][name].values())
            found[ladder][name] = {
                "first_frames": made[0].denoised,
                "later": inner.denoised / len(inner.waveform),
                "time": stream_ms / min(whole_ms),
                "first_time": first_ms / min(whole_ms),
                "first_ms": first_ms,
            }
    return found, {"whole_ms": whole_ms, "cost": times}


def as_served(
    bundle: Bundle, text: str, rounds: int
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Text to audio in the bundle's own precision, as a server does it.

    Returns:
        `stream_time`, CPU time of a streamed text as a share of the same text's at once, `slack`,
        by how much the tightest chunk takes less than the one before it plays, and
        `first_chunk_ms`; and of each round `whole_ms`, `first_chunk_ms` and `stream_ms`.
    """
    manifest = bundle.manifest
    synthesizer = Synthesizer(OnnxEngine(bundle), TextFrontEnd(manifest.dictionary))
    request = SpeechRequest(text)
    utterance = synthesizer.read(request)
    whole_ms, chunks_ms, played_s = [], [], np.array([])
    for _ in range(rounds):
        start = time.process_time()
        synthesizer.speak(request)
        whole_ms.append(_ms_since(start))
        times, lengths = [time.process_time()], []
        for chunk in synthesizer.stream(utterance):
            times.append(time.process_time())
            lengths.append(len(chunk.samples) / manifest.sample_rate_hz)
        chunks_ms.append(1000 * np.diff(times))
        played_s = np.array(lengths)
    least_ms = np.min(chunks_ms, axis=0)
    slack = float(np.min(1000 * played_s[:-1] / least_ms[1:])) if len(played_s) > 1 else 0.0
    figures = {
        "stream_time": float(least_ms.sum()) / min(whole_ms),
        "slack": slack,
        "first_chunk_ms": float(least_ms[0]),
    }
    samples = {
        "whole_ms": whole_ms,
        "first_chunk_ms": [float(each[0]) for each in chunks_ms],
        "stream_ms": [float(each.sum()) for each in chunks_ms],
    }
    return figures, samples


def _ms_since(start: float) -> float:
    """Milliseconds of CPU time."""
    return 1000 * (time.process_time() - start)


def _inner(pieces: Sequence[Piece]) -> Piece:
    """The middle one of the largest chunks that are neither first nor last."""
    between = pieces[1:-1] or pieces
    largest = max(len(piece.waveform) for piece in between)
    same = [piece for piece in between if len(piece.waveform) == largest]
    return same[len(same) // 2]
