"""What compiling gains: PyTorch as it is, the fused graph in float32, and in 8 bits.

    python -m dlpo_bench.compiled --voice lj --checkpoint voices/lj/checkpoint

All three run the same reverse steps on the same windows of speech, in turns, on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from dlpo.bundle import Bundle, Precision
from dlpo.checkpoint import load_checkpoint
from dlpo.noise_schedule import named_schedule
from dlpo.text import TextFrontEnd
from dlpo_bench.latency import SENTENCES
from dlpo_bench.record import write_record
from dlpo_export.graphs import DenoiserGraph
from dlpo_serving.denoiser_input import DenoiserInput, Window
from dlpo_serving.engines.onnx_engine import OnnxEngine
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import DEFAULT_VOICE, find_voice

SECONDS = (0.2, 0.5, 1.0, 2.0, 4.0)  # of the windows
ROUNDS = 15  # the least time of each counts
EAGER = "eager"
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")


def measure_compiled(
    voice: str, checkpoint: Path, rounds: int = ROUNDS, steps: int | None = None
) -> dict[str, float]:
    """Time a denoiser's whole chain.

    Args:
        voice: a name or the path of a bundle that has fp32 and int8.
        checkpoint: that it was exported from.
        rounds: of all windows and run-times.
        steps: reverse steps; None is the voice's own number.

    Returns:
        For each window and run-time the real-time factor, such as `int8_2s_rtf`, and how many
        times as fast the graphs are: `fp32_2s_speed` against eager, `int8_2s_speed` against fp32.

    Raises:
        BundleError: the bundle lacks a precision.
        CheckpointError: the checkpoint can't be loaded.
    """
    bundle = Bundle.load(find_voice(voice))
    manifest = bundle.manifest
    steps = steps or manifest.steps
    runs: dict[str, Callable[[Window], object]] = {EAGER: _eager(bundle, checkpoint, steps)}
    for precision in PRECISIONS:
        runs[precision] = _fused(OnnxEngine(bundle, precision), steps)
    sentence = TextFrontEnd(manifest.dictionary).process(SENTENCES[0]).sentences[0]
    given = DenoiserInput(OnnxEngine(bundle), sentence, SpeechRequest("x", speed=0.8), steps, 0)
    per_second = manifest.sample_rate_hz / manifest.hop_length
    windows = {seconds: given.window(0, round(seconds * per_second)) for seconds in SECONDS}
    least = {(name, seconds): float("inf") for seconds in SECONDS for name in runs}
    for _ in range(rounds):
        for seconds, window in windows.items():
            for name, run in runs.items():
                start = time.perf_counter()
                run(window)
                elapsed = time.perf_counter() - start
                least[name, seconds] = min(least[name, seconds], elapsed)
    figures = {
        f"{name}_{seconds:g}s_rtf": value / seconds for (name, seconds), value in least.items()
    }
    for seconds in SECONDS:
        for slow, quick in ((EAGER, "fp32"), ("fp32", "int8"), (EAGER, "int8")):
            name = f"{quick}_{seconds:g}s_speed" + (
                "_of_eager" if quick == "int8" and slow == EAGER else ""
            )
            figures[name] = least[slow, seconds] / least[quick, seconds]
    return figures


def _eager(bundle: Bundle, checkpoint: Path, steps: int) -> Callable[[Window], object]:
    manifest = bundle.manifest
    schedule = named_schedule(manifest.noise_schedule.name, steps, manifest.noise_schedule.eta)
    chain = DenoiserGraph(load_checkpoint(checkpoint).model, schedule)
    torch.set_num_threads(1)

    @torch.inference_mode()
    def run(window: Window) -> Tensor:
        made: Tensor = chain(
            *(torch.from_numpy(x) for x in (window.conditioning, window.source, window.noise))
        )
        return made

    return run


def _fused(engine: OnnxEngine, steps: int) -> Callable[[Window], object]:
    def run(window: Window) -> object:
        return engine.denoise(steps, window.conditioning, window.source, window.noise)

    return run


def main() -> None:
    """Print the figures; with --record, keep them."""
    parser = argparse.ArgumentParser("dlpo_bench.compiled", description=__doc__)
    parser.add_argument("--voice", default=DEFAULT_VOICE, help="a name or the path of a bundle")
    parser.add_argument("--checkpoint", type=Path, default=Path("voices/lj/checkpoint"))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--record", action="store_true", help="write a benchmark record")
    options = parser.parse_args()
    figures = measure_compiled(options.voice, options.checkpoint, options.rounds)
    for name, value in figures.items():
        print(f"{name:24} {value:8.4f}")
    if options.record:
        command = f"python -m dlpo_bench.compiled --voice {options.voice} --checkpoint"
        command += f" {options.checkpoint} --rounds {options.rounds} --record"
        sha256 = Bundle.load(find_voice(options.voice)).sha256
        print(write_record("compiled", figures, command, bundle_sha256=sha256))


if __name__ == "__main__":
    main()
