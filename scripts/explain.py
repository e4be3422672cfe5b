"""Plots of the explanation pages: python scripts/explain.py [--checkpoint DIR] [--out DIR]

levels    noise levels along a chain, from the schedules
chain     a sentence at every reverse step, from a checkpoint
windows   how a sentence is cut into chunks and windows, by the server's rule
lanes     which stream is computed when, by the server's scheduler in simulated time
endings   how questions come to rise while a voice is tuned, from the logs of the runs
"""

from __future__ import annotations

import argparse
import heapq
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlpo.noise_schedule import named_schedule
from dlpo_bench.plots import BLUE, COLORS, GRAY, ORANGE, STYLE, as_svg
from dlpo_serving.engine import Stage, Unit
from dlpo_serving.scheduling.scheduler import Batch, Scheduler
from dlpo_serving.scheduling.stream import AdmissionPolicy, CostLines, Costs, Line, Stream
from dlpo_serving.synthesis.chunks import STREAM_LADDER, cut, sizes_of

CHAINS = (("linear", 1000, GRAY), ("cosine:1.25", 3, BLUE))  # the papers' and the bundle's longest
FRAMES_PER_SECOND = 80.0
FRAMES, CONTEXT = 407, 13  # of a sentence in 8 bits
SHOWN_STEPS = 3  # more than are served, to make the plot informative
SENTENCE = "Noise becomes speech."
LANES = 2
STEPS = 3
UNTIL_S = 0.5
ARMS = {  # logs of research.endings -> labels
    "dlpo": "DLPO",
    "kl-only": "the divergence as its only anchor",
    "straight-gradient": "the reward's own gradient, same anchors",
    "control": "the anchors alone",
    "unanchored": "DLPO without its anchors",
}
ASKED = ("/yes_no", "/declarative")
SCORES_OF_UPDATE = 288  # 12 sentences, 24 contours each
CALLERS = ((0.0, 20.0), (0.12, 3.0), (0.2, 3.0))  # arrival and requested speech, in seconds
LINES = CostLines(  # of one core, in round numbers, not measured: seconds per call and per frame
    encode=Line(0.004, 0.0), frames=Line(0.004, 0.0), denoise=Line(0.002, 0.0003), steps=STEPS,
    startup=((0.11, 0.012), (0.44, 0.02), (1.3, 0.045), (3.0, 0.09)), audio_second_s=0.03,
    frames_per_second=FRAMES_PER_SECOND,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Turn:
    """One unit on one lane."""

    caller: int
    lane: int
    start_s: float
    stop_s: float
    audio_s: float
    """audio made by the unit"""


@dataclass(slots=True)
class RemainingUnits:
    """The remainder of an utterance, in the form the scheduler expects."""

    units: list[tuple[Unit, float]] = field(default_factory=list)
    """remaining units, and the seconds of audio that each makes"""

    @property
    def next_unit(self) -> Unit | None:
        return self.units[0][0] if self.units else None

    @property
    def done(self) -> bool:
        return not self.units


@dataclass(frozen=True, slots=True)
class ReverseStep:
    """One reverse step of a sentence."""

    noisy: NDArray[np.float32]
    """(T,) input"""
    clean: NDArray[np.float32]
    """(T,) speech that the network predicts from the input"""
    sigma: float
    """share of noise in the input"""


def draw_levels() -> str:
    """An SVG document: the share of noise over the completed share of the chain."""
    figure = Figure((8, 3), layout="constrained")
    axes = figure.add_subplot(
        xlabel="share of the reverse steps done", ylabel="sigma, share of noise in amplitude"
    )
    for name, steps, color in CHAINS:
        sigma = named_schedule(name, steps).sigma
        done = np.linspace(0, 1, len(sigma))
        axes.plot(
            done, sigma, "o-" if steps <= 8 else "-", color=color, label=f"{steps} steps, {name}"
        )
        if steps <= 8:
            for x, y in zip(done, sigma, strict=True):
                axes.annotate(f"{y:.2f}", (x, y), (6, 6), textcoords="offset points")
    axes.legend()
    return as_svg(figure, "Noise that is left, step by step")


def draw_windows() -> str:
    """An SVG document: the chunks of a stream over time, each with the context it reads."""
    chunks = list(cut(FRAMES, CONTEXT, sizes_of(STREAM_LADDER)))
    figure = Figure((8, 0.8 + 0.35 * len(chunks)), layout="constrained")
    axes = figure.add_subplot(xlabel="seconds of audio")
    for row, chunk in enumerate(chunks):
        for start, stop, color in (
            (chunk.window_start, chunk.window_stop, ORANGE),
            (chunk.start, chunk.stop, BLUE),
        ):
            width = (stop - start) / FRAMES_PER_SECOND
            axes.barh(row, width, 0.6, start / FRAMES_PER_SECOND, color=color)
    labels = [f"chunk {row + 1}: {c.stop - c.start} frames" for row, c in enumerate(chunks)]
    axes.set_yticks(range(len(chunks)), labels)
    axes.invert_yaxis()
    axes.set_title("blue: frames that are sent; orange: context, computed and discarded")
    return as_svg(figure, f"A sentence of {FRAMES / FRAMES_PER_SECOND:.1f} s as a stream")


def draw_lanes() -> str:
    """An SVG document: the lanes over time, and the first audio of each caller."""
    made = turns()
    figure = Figure((8, 2.6), layout="constrained")
    axes = figure.add_subplot(xlabel="ms", xlim=(0, 1000 * UNTIL_S))
    for turn in made:
        width = 1000 * (turn.stop_s - turn.start_s)
        color = COLORS[turn.caller]
        axes.barh(turn.lane, width, 0.6, 1000 * turn.start_s, color=color, edgecolor="white")
    for caller, (arrival_s, speech_s) in enumerate(CALLERS):
        row, first_s = LANES + caller, first_audio_s(made, caller)
        axes.plot([1000 * arrival_s, 1000 * first_s], [row, row], "|-", color=COLORS[caller])
        note = f"{speech_s:g} s of speech, first audio after {1000 * (first_s - arrival_s):.0f} ms"
        axes.annotate(note, (1000 * first_s, row), (6, -3), textcoords="offset points")
    names = [f"lane {i + 1}" for i in range(LANES)]
    names += [f"caller {i + 1}" for i in range(len(CALLERS))]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    return as_svg(figure, "Three callers on two lanes, by the scheduler in simulated time")


def turns() -> list[Turn]:
    """Every unit computed until `UNTIL_S`."""
    scheduler, costs = Scheduler(AdmissionPolicy(), LANES), Costs(LINES)
    arrivals = [(arrival_s, number) for number, (arrival_s, _) in enumerate(CALLERS)]
    running: list[tuple[float, int]] = []  # end, number of the turn
    streams: list[Stream] = []
    made: list[Turn] = []
    batches: dict[int, Batch] = {}  # by number of their turn
    free, now = set(range(LANES)), 0.0
    while now < UNTIL_S:
        while arrivals and arrivals[0][0] <= now:
            _, caller = arrivals.pop(0)
            stream = Stream(costs, STEPS, arrived_s=now, expected_audio_s=CALLERS[caller][1])
            scheduler.admit(stream, now)
            stream.work = RemainingUnits(list(_units(CALLERS[caller][1])))
            streams.append(stream)
        while free and (batch := scheduler.next_batch(now)):
            (stream,) = batch.streams
            assert isinstance(stream.work, RemainingUnits)
            unit, audio_s = stream.work.units.pop(0)
            line: Line = getattr(LINES, unit.stage)
            turn = Turn(streams.index(stream), min(free), now, now + line.at(unit.size), audio_s)
            free.remove(turn.lane)
            batches[len(made)] = batch
            heapq.heappush(running, (turn.stop_s, len(made)))
            made.append(turn)
        wakes = [running[0][0]] if running else []
        wakes += [arrivals[0][0]] if arrivals else []
        wakes += [wake for wake in [scheduler.next_urgency_s()] if now < wake < UNTIL_S]
        if not wakes:
            break
        now = min(wakes)
        while running and running[0][0] <= now:
            _, number = heapq.heappop(running)
            turn = made[number]
            scheduler.finished(batches.pop(number), now, [turn.audio_s])
            free.add(turn.lane)
            streams[turn.caller].untaken_s = 0.0  # callers read immediately
    return made


def first_audio_s(made: list[Turn], caller: int) -> float:
    """When a caller's first audio is ready."""
    return min(turn.stop_s for turn in made if turn.caller == caller and turn.audio_s)


def _units(audio_s: float) -> Iterator[tuple[Unit, float]]:
    stages: tuple[Stage, ...] = ("encode", "frames")
    for stage in stages:
        yield Unit(stage, 60, STEPS, "lj"), 0.0
    left, sizes = round(audio_s * FRAMES_PER_SECOND), sizes_of(STREAM_LADDER)
    while left > 0:
        size = min(next(sizes), left)
        left -= size
        yield Unit("denoise", size + 2 * CONTEXT, STEPS, "lj"), size / FRAMES_PER_SECOND


def reverse_steps(checkpoint: Path, sentence: str = SENTENCE) -> list[ReverseStep]:
    """Speak a sentence with a checkpoint on its own chain, keeping every step.

    Raises:
        CheckpointError, BundleError: it can't be loaded.
    """
    import torch

    from dlpo.bundle import Bundle, ScheduleInfo
    from dlpo.checkpoint import load_checkpoint
    from dlpo.text import TextFrontEnd
    from dlpo_bench.clips import Clip
    from dlpo_bench.systems import WHOLE, text_to_speech
    from dlpo_bench.torch_engine import TorchEngine
    from dlpo_serving.synthesizer import Synthesizer
    from dlpo_serving.voice_names import DEFAULT_VOICE
    from dlpo_serving.voices import find_voice

    loaded = load_checkpoint(checkpoint)
    like = Bundle.load(find_voice(DEFAULT_VOICE)).manifest
    tuned, model = loaded.provenance.tuned, loaded.model
    chain = ScheduleInfo(tuned.schedule, tuned.eta) if tuned else like.noise_schedule
    steps: list[ReverseStep] = []
    denoise = model.denoise

    def recording(noisy: torch.Tensor, level: torch.Tensor, *inputs: torch.Tensor) -> torch.Tensor:
        clean: torch.Tensor = denoise(noisy, level, *inputs)
        if torch.is_inference_mode_enabled():  # otherwise the engine is measuring the model's reach
            sigma = float((1 - level.reshape(-1)[0] ** 2).sqrt())
            read, made = (model.to_waveform(x)[0].numpy().copy() for x in (noisy, clean))
            steps.append(ReverseStep(read, made, sigma))
        return clean

    patched: Any = model  # one method of this single object
    patched.denoise = recording
    engine = TorchEngine(loaded, like, chain, [SHOWN_STEPS])
    speak = text_to_speech(Synthesizer(engine, TextFrontEnd()), ladder=WHOLE)
    speak(Clip("chain", sentence, None))
    return steps


def draw_chain(checkpoint: Path) -> str:
    """An SVG document: spectrograms of each reverse step's input, and of the change from the
    previous prediction to the next."""
    steps = reverse_steps(checkpoint)
    first = steps[0]
    changes = [now.clean - before.clean for before, now in pairwise(steps)]
    loudest_db = spectrogram_db(first.clean).max()
    figure = Figure((3 * len(steps), 4), layout="constrained")
    for row, waveforms in enumerate(([step.noisy for step in steps], [first.clean, *changes])):
        for column, waveform in enumerate(waveforms):
            axes = figure.add_subplot(2, len(steps), row * len(steps) + column + 1)
            level_db = spectrogram_db(waveform, loudest_db if row else None)
            shades = {"vmin": loudest_db - 70, "vmax": loudest_db} if row else {}
            axes.imshow(level_db, aspect="auto", origin="lower", interpolation="none", **shades)
            axes.set_axis_off()
            made = f"what step {column + 1} changes" if column else "prediction of step 1"
            read = f"step {column + 1} reads: {100 * steps[column].sigma:.0f} % noise"
            axes.set_title(made if row else read)
    return as_svg(figure, f"“{SENTENCE}”: {len(steps)} reverse steps, 0 to 12 kHz")


def spectrogram_db(
    waveform: NDArray[np.float32], loudest_db: float | None = None
) -> NDArray[np.float64]:
    """(bins, frames) level of a (T,) waveform in 16 shades, down to 70 dB below `loudest_db` or its
    own peak."""
    windows = np.lib.stride_tricks.sliding_window_view(waveform, 1024)[::256]
    power = np.abs(np.fft.rfft(windows * np.hanning(1024), axis=1)) ** 2
    level_db = 10 * np.log10(power[:, 1:].reshape(len(power), 64, -1).mean(axis=2).T + 1e-12)
    loudest_db = level_db.max() if loudest_db is None else loudest_db
    level_db = np.clip(level_db, loudest_db - 70, loudest_db)
    rounded: NDArray[np.float64] = np.round(level_db * 15 / 70) * 70 / 15
    return rounded


DRAWN: dict[str, Callable[[], str]] = {
    "levels.svg": draw_levels,
    "windows.svg": draw_windows,
    "lanes.svg": draw_lanes,
}
"""File -> function that draws it without a checkpoint."""


def validations(logs: Path, arm: str) -> dict[int, list[tuple[str, Any]]]:
    """Update -> what an arm's seeds logged of held-out endings after it, names with values."""
    found = defaultdict[int, list[tuple[str, Any]]](list)
    for log in sorted(logs.glob(f"{arm}-?.jsonl")):
        for row in map(json.loads, log.read_text("utf-8").splitlines()):
            if row["split"] == "validation":
                found[row["update"]] += row.items()
    return dict(sorted(found.items()))


def draw_endings(logs: Path) -> str:
    """An SVG document: questions that rise, and how far the rest moves, over the scores spent.

    Args:
        logs: a folder with a log for each of `ARMS` and its seeds; means over the seeds are drawn.
    """
    figure = Figure((9, 3.2), layout="constrained")
    share, rest = figure.subplots(1, 2)
    for (arm, label), color in zip(ARMS.items(), COLORS, strict=False):
        scores = [0.0]
        rising = [np.nan]
        moved = [np.nan]
        for update, figures in validations(logs, arm).items():
            asked = [v for k, v in figures if k.startswith("risen/") and k.endswith(ASKED)]
            scores.append(update * SCORES_OF_UPDATE / 1000)
            rising.append(100 * float(np.mean(asked)))
            moved.append(float(np.mean([v for k, v in figures if k.startswith("rest_st/")])))
        share.plot(scores, rising, "o-", color=color, label=label)
        rest.plot(scores, moved, "o-", color=color)
    share.set(xlabel="thousand scores", ylabel="questions that rise, %", ylim=(0, 100))
    rest.set(
        xlabel="thousand scores",
        ylabel="change before the last 0.5 s, semitones",
        yscale="log",
        yticks=(0.3, 1, 3, 10),
        yticklabels=("0.3", "1", "3", "10"),
    )
    figure.legend(loc="outside lower center", ncols=3)
    return as_svg(figure, "Held-out endings of eleven voices, while they are tuned")


def main() -> None:
    """Draw the plots of the explanation pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("voices/spectral/tuned"))
    parser.add_argument("--endings", type=Path, default=Path("voices/spectral/endings"))
    parser.add_argument("--out", type=Path, default=Path("docs/explain"))
    options = parser.parse_args()
    with matplotlib.rc_context(STYLE):
        for name, draw in DRAWN.items():
            (options.out / name).write_text(draw(), encoding="utf-8")
        (options.out / "chain.svg").write_text(draw_chain(options.checkpoint), encoding="utf-8")
        (options.out / "endings.svg").write_text(draw_endings(options.endings), encoding="utf-8")


if __name__ == "__main__":
    main()
