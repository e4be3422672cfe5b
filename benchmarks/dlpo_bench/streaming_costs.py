"""What each way to stream costs: frames that are denoised, and CPU time."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

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


def costs(
    denoise: Denoise, methods: Mapping[str, Method], sentence: Sentence, rounds: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Frames and CPU times, all methods in turn so that a busy machine is busy for all of them."""
    offline = math.inf
    total = {(ladder, name): math.inf for ladder in LADDERS for name in methods}
    first = dict(total)
    for _ in range(rounds):
        start = time.process_time()
        denoise(sentence.conditioning, sentence.source, sentence.noise)
        offline = min(offline, time.process_time() - start)
        for ladder, name in total:
            start = time.process_time()
            pieces = methods[name].stream(sentence, LADDERS[ladder])
            next(pieces)
            first[ladder, name] = min(first[ladder, name], time.process_time() - start)
            for _ in pieces:
                pass
            total[ladder, name] = min(total[ladder, name], time.process_time() - start)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for ladder, rungs in LADDERS.items():
        found[ladder] = {}
        for name, method in methods.items():
            made = list(method.stream(sentence, rungs))
            inner = _inner(made)
            found[ladder][name] = {
                "first_frames": made[0].denoised,
                "later": inner.denoised / len(inner.waveform),
                "time": total[ladder, name] / offline,
                "first_time": first[ladder, name] / offline,
                "first_ms": 1000 * first[ladder, name],
            }
    return found


def as_served(bundle: Bundle, text: str, rounds: int) -> dict[str, float]:
    """Text to audio in the bundle's own precision, as a server does it.

    Returns:
        `stream_time`, CPU time of a streamed text as a share of the same text's at once, and
        `slack`, by how much the tightest chunk takes less than the one before it plays.
    """
    manifest = bundle.manifest
    synthesizer = Synthesizer(OnnxEngine(bundle), TextFrontEnd(manifest.dictionary))
    request = SpeechRequest(text)
    utterance = synthesizer.read(request)
    at_once, chunks_s, played_s = math.inf, np.array(math.inf), np.array([])
    for _ in range(rounds):
        start = time.process_time()
        synthesizer.speak(request)
        at_once = min(at_once, time.process_time() - start)
        times, lengths = [time.process_time()], []
        for chunk in synthesizer.stream(utterance):
            times.append(time.process_time())
            lengths.append(len(chunk.samples) / manifest.sample_rate_hz)
        chunks_s = np.minimum(chunks_s, np.diff(times))
        played_s = np.array(lengths)
    slack = float(np.min(played_s[:-1] / chunks_s[1:])) if len(played_s) > 1 else 0.0
    return {
        "stream_time": float(chunks_s.sum()) / at_once,
        "slack": slack,
        "first_chunk_ms": 1000 * float(chunks_s[0]),
    }


def _inner(pieces: Sequence[Piece]) -> Piece:
    """The middle one of the largest chunks that are neither first nor last."""
    between = pieces[1:-1] or pieces
    largest = max(len(piece.waveform) for piece in between)
    same = [piece for piece in between if len(piece.waveform) == largest]
    return same[len(same) // 2]
