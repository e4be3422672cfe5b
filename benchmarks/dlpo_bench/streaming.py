"""Which way to stream: a window with context, a wavefront, or cached state, on a trained voice.

All three give chunks that equal the whole. They differ in what a chunk costs, in how long the
first one takes, and in what a server has to keep and may batch; docs/streaming.md says which one
serving takes and why.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlpo.bundle import Bundle, Manifest, Precision
from dlpo.text import TextFrontEnd
from dlpo_bench.noise import watch_machine
from dlpo_bench.record import RECORDS, write_record
from dlpo_bench.streaming_costs import as_served, costs
from dlpo_bench.streaming_export import unused_methods
from dlpo_bench.streaming_methods import (
    Denoise,
    Method,
    Sentence,
    Window,
    joined,
    open_graph,
    whole,
)
from dlpo_serving.denoiser_input import DenoiserInput
from dlpo_serving.engine import Floats
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer
from dlpo_serving.voices import DEFAULT_VOICE, find_voice

CHECKPOINT = Path("voices") / "lj" / "checkpoint"  # of a checkout, from its root
COMMAND = "python -m dlpo_bench.streaming --record"
TEXTS = (
    "Rain fell on the old stone bridge, and nobody crossed it until the sun was high.",
    "Fuzzy foxes fish for fresh sausages; she sells sea shells by the shore.",
    "Is this the way to San Jose, or did we miss the turn?",
    "In 1984, 37 percent of Mr. Smith's $2,500 went to taxes.",
    "Yes.",
)
PROSODY = ((1.0, 0.0), (0.5, -6.0), (2.0, 6.0), (1.3, -3.0), (0.8, 4.0))  # speed, semitones
RANDOM_LADDERS = 1  # a sentence


def run(
    voice: str = DEFAULT_VOICE, checkpoint: Path = CHECKPOINT, rounds: int = 5, texts: int = 5
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure the three methods on the voice's default number of steps.

    Args:
        voice: name or path of a bundle of a `lite`.
        checkpoint: the one that it was exported from; the two methods that serving does not use
            are exported from it.
        rounds: how often each time is taken; the shortest counts.
        texts: of `TEXTS`, the first so many.

    Returns:
        `context`, `halo` and `delay`: frames of look-ahead; `state`: floats a stream;
        `largest_deviation`: of chunks from the whole, of full scale, by method;
        `int8`: the deviation of windows from the whole in dB of the speech, where there is an
        int8 denoiser; `cost`: ladder -> method -> frames denoised for each frame, of the first
        chunk and later, and CPU times as a share of what the whole takes; `served`: all of
        speaking, as a server does it. And the times of each round, see `costs` and `as_served`.

    Raises:
        InputError: the checkpoint is not a `lite`.
        CheckpointError, BundleError, EngineError: it, or the voice, can't be loaded.
    """
    bundle = Bundle.load(find_voice(voice))
    manifest = bundle.manifest
    sentences = _sentences(bundle, TEXTS[:texts])
    denoise = whole(open_graph(str(bundle.graph_path(f"denoiser_{manifest.steps}"))))
    others = unused_methods(bundle, checkpoint, denoise, sentences[0])
    methods: dict[str, Method] = {
        "window": Window(denoise, manifest.context_frames(manifest.steps)),
        "wavefront": others.wavefront,
        "cached": others.cached,
    }
    wholes = [denoise(s.conditioning, s.source, s.noise).reshape(-1) for s in sentences]
    random = np.random.default_rng(0)
    ladders = [
        tuple(map(int, random.integers(1, 65, size=4)))
        for _ in range(RANDOM_LADDERS * len(sentences))
    ]
    figures: dict[str, Any] = {
        "steps": manifest.steps,
        "sentences": len(sentences),
        "frames": sum(sentence.frames for sentence in sentences),
        "context": manifest.context_frames(manifest.steps),
        "halo": others.wavefront.halo,
        "delay": others.cached.delay_frames,
        "state": others.cached.state_size,
        "largest_deviation": {
            name: manifest.gain * _largest_deviation(method, sentences, wholes, ladders)
            for name, method in methods.items()
        },
    }
    if "int8" in manifest.graphs[f"denoiser_{manifest.steps}"].files:
        int8 = whole(open_graph(str(bundle.graph_path(f"denoiser_{manifest.steps}", "int8"))))
        figures["int8"] = _int8(manifest, int8, sentences, ladders)
        context = manifest.context_frames(manifest.steps, "int8")
        methods["window, int8"] = Window(int8, context)
    longest = max(sentences, key=lambda sentence: sentence.frames)
    typical = sentences[0] if sentences[0].frames > 200 else longest
    figures["timed_frames"] = typical.frames
    figures["cost"], samples = costs(denoise, methods, typical, rounds)
    figures["served"], samples["served"] = as_served(bundle, TEXTS[0], rounds)
    return figures, samples


def table(figures: Mapping[str, Any]) -> str:
    """Markdown: a row for each ladder and method."""
    lines = [
        "| chunks | method | first chunk, frames | later, frames a frame | time of the sentence"
        " | time of the first chunk |",
        "|---|---|---|---|---|---|",
    ]
    for ladder, methods in figures["cost"].items():
        for name, cost in methods.items():
            lines.append(
                f"| {ladder} | {name} | {cost['first_frames']:.1f} | {cost['later']:.2f} "
                f"| {cost['time']:.2f} | {cost['first_time']:.3f} |"
            )
    return "\n".join(lines)


def _sentences(bundle: Bundle, texts: Sequence[str]) -> list[Sentence]:
    """Every text in every prosody, with a seed of its own."""
    engine = OnnxEngine(bundle, "fp32")
    synthesizer = Synthesizer(engine, TextFrontEnd(bundle.manifest.dictionary))
    steps, found = bundle.manifest.steps, []
    for seed, (text, (speed, pitch)) in enumerate((t, p) for t in texts for p in PROSODY):
        request = SpeechRequest(text, speed=speed, pitch_semitones=pitch, seed=seed)
        spoken = synthesizer.read(request).sentences[0]
        inputs = DenoiserInput(engine, spoken, request, steps, 0)
        window = inputs.window(0, inputs.frames)
        found.append(Sentence(window.conditioning, window.source, window.noise))
    return found


def _largest_deviation(
    method: Method,
    sentences: Sequence[Sentence],
    wholes: Sequence[Floats],
    ladders: Sequence[Sequence[int]],
) -> float:
    return max(
        float(np.abs(joined(method.stream(sentences[i % len(sentences)], ladder)) - expected).max())
        for i, ladder in enumerate(ladders)
        for expected in (wholes[i % len(sentences)],)
    )


def _int8(
    manifest: Manifest,
    denoise: Denoise,
    sentences: Sequence[Sentence],
    ladders: Sequence[Sequence[int]],
) -> dict[str, Any]:
    """Windows in 8 bits with the context of each precision: deviation in dB of the speech."""
    wholes = [denoise(s.conditioning, s.source, s.noise).reshape(-1) for s in sentences]
    found = {}
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    for precision in precisions:
        context = manifest.context_frames(manifest.steps, precision)
        method = Window(denoise, context)
        worst = -math.inf
        for i, ladder in enumerate(ladders):
            expected = wholes[i % len(sentences)]
            deviation = joined(method.stream(sentences[i % len(sentences)], ladder)) - expected
            share = float(np.mean(deviation**2)) / max(float(np.mean(expected**2)), 1e-20)
            worst = max(worst, 10 * math.log10(max(share, 1e-20)))
        found[f"context of {precision}"] = {"frames": context, "worst_db": worst}
    return found


def main() -> None:
    """Print the table; with --record, keep the figures."""
    parser = argparse.ArgumentParser("dlpo_bench.streaming", description=__doc__)
    parser.add_argument("--voice", default=DEFAULT_VOICE, help="name or path of a bundle")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, help="that it was made from")
    parser.add_argument("--rounds", type=int, default=5, help="times are the shortest of so many")
    parser.add_argument("--record", action="store_true", help=f"write a record to {RECORDS}")
    arguments = parser.parse_args()
    with watch_machine() as watch:
        figures, samples = run(arguments.voice, arguments.checkpoint, arguments.rounds)
    figures["machine"] = watch.noise.figures()
    print(table(figures))
    print({key: value for key, value in figures.items() if key != "cost"})
    for line in watch.noise.warnings():
        print(f"warning: {line}", file=sys.stderr)
    if arguments.record:
        sha256 = Bundle.load(find_voice(arguments.voice)).sha256
        print(write_record("streaming", figures, COMMAND, samples=samples, bundle_sha256=sha256))


if __name__ == "__main__":
    main()
