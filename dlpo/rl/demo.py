"""Tuning in minutes: `dlpo tune --demo` teaches two untuned voices to ask.

The voices read some statements; the diffusion loss of the pitch flow on these recordings holds the
contours to what they were. The reward is how a sentence ends (`dlpo.rl.endings`): that of a
question rises, that of a statement falls.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dlpo.audio import write_wav
from dlpo.checkpoint import load_checkpoint
from dlpo.config.tuning import EndingsTuning
from dlpo.data.dataset import Arrays, Corpora
from dlpo.data.features import measure
from dlpo.data.packing import ClipSource, arrays_of, pack
from dlpo.model.build import Model
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.rl.ending_prompts import EndingPrompt, read_ending_prompts
from dlpo.rl.endings import RISEN_ST, RISING
from dlpo.rl.endings_tuner import EndingsTuner, endings_objective
from dlpo.text import TextFrontEnd
from dlpo.training.synthesis import encode, speak

VOICES = ("lj", "heart")
SCHEDULE = "cosine:1.25"
ETA = 0.7
STEPS = 1
RECORDINGS, HELD_OUT_EVERY = 24, 4  # of each voice; one in so many validates
HELD_OUT_TEXTS = (
    "Is there anything left of the soup?",
    "You painted the whole house by yourself?",
    "The museum keeps its oldest maps in a room without windows.",
    "Who would have thought that such a small machine could sing?",
)
SHOWN = {"yes_no": "questions", "declarative": "statements asked as questions",
         "statement": "statements", "wh": "questions with a question word"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ends:
    """How held-out questions end: for each sentence, the share of its draws that rise."""

    before: NDArray[np.float64]
    """(sentences,) mean over `VOICES` and draws, with the untuned pitch"""
    after: NDArray[np.float64]
    """the same with the tuned one, from the same noise"""


def demo_tuner(
    checkpoint: Path, texts: Path, without: Path, out: Path, updates: int = 120
) -> EndingsTuner:
    """A run of some minutes on one core; `out` holds its corpus and its checkpoints.

    Args:
        checkpoint: of untuned voices.
        texts: lines of `id|text` to draw sentences from.
        without: ids of texts that are left out.

    Raises:
        TrainingError: `out` holds another run.
        MissingExtraError: a package of the extra `train` is not installed.
    """
    prompts = read_ending_prompts([str(texts)], without)
    data = out / "corpus"
    if not (data / "dataset.json").exists():
        _record(load_checkpoint(checkpoint).model, prompts, data)
    settings = EndingsTuning(
        updates=updates, validate_every=max(1, updates // 5), log_every=1, validation_endings=6
    )
    corpora = Corpora([data])
    return EndingsTuner(checkpoint, corpora, prompts, out / "run", endings_objective(), settings)


def ends(tuner: EndingsTuner) -> Ends:
    """How the held-out questions ended before tuning, and how they end now."""
    figures = tuner.figures
    figures.measure(tuner.averaged_flow())
    shares: dict[str, list[tuple[float, float]]] = {}
    for ending, before, after in zip(
        figures.prompts, figures.movements(figures.before), figures.movements(figures.drawn()),
        strict=True,
    ):  # fmt: skip
        if ending.kind in RISING and ending.prompt.voice in VOICES:
            both = [float((moved >= RISEN_ST).float().mean()) for moved in (before, after)]
            shares.setdefault(ending.prompt.text, []).append((both[0], both[1]))
    means = np.array([np.mean(of_voices, axis=0) for of_voices in shares.values()])
    return Ends(means[:, 0], means[:, 1])


def write_page(tuner: EndingsTuner, checkpoint: Path, out: Path, verdict: str) -> Path:
    """Speak the held-out texts before and after; `out`/index.html plays them, with the figures.

    Args:
        checkpoint: that the run began with.
        verdict: a sentence about the gain.
    """
    chain = named_schedule(SCHEDULE, STEPS, ETA)
    before = load_checkpoint(checkpoint).model
    tuned = load_checkpoint(tuner.out / "checkpoint").model
    rows = []
    for number, (voice, text) in enumerate((v, t) for v in VOICES for t in HELD_OUT_TEXTS):
        players = []
        for name, model in (("before", before), ("after", tuned)):
            file = f"{name}-{number}.wav"
            made = speak(model, _symbols(text), chain, seed=number, voice=voice)
            write_wav(out / file, made, model.config.grid.sample_rate_hz)
            players.append(f'<td><audio controls src="{file}"></audio></td>')
        rows.append(f"<tr><td>{voice}: {html.escape(text)}</td>{''.join(players)}</tr>")
    page = out / "index.html"
    page.write_text(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>dlpo tune --demo</title>
<h1>How sentences end, after {tuner.update} updates</h1>
<p>{html.escape(verdict)}</p>
<p>Share of the endings that rise by three semitones or more, in held-out sentences:</p>
<table><tr><th></th><th>before</th><th>after</th></tr>{"".join(_shares(tuner))}</table>
<p>The rest of a sentence changed by {_rest(tuner):.1f} semitones.</p>
<table><tr><th>Held-out sentence</th><th>before</th><th>after</th></tr>{"".join(rows)}</table>
</html>
""",
        "utf-8",
    )
    return page


def _figures(tuner: EndingsTuner) -> tuple[dict[str, float], dict[str, float]]:
    """Of the validation before the first update and after the last."""
    log = map(json.loads, (tuner.out / "log.jsonl").read_text("utf-8").splitlines())
    *_, last = (line for line in log if line["split"] == "validation")
    return tuner.figures.of_draws(tuner.figures.before), last


def _shares(tuner: EndingsTuner) -> Iterator[str]:
    before, after = _figures(tuner)
    for kind, title in SHOWN.items():
        shares = [
            np.mean([figures[f"risen/{voice}/{kind}"] for voice in VOICES])
            for figures in (before, after)
        ]
        cells = "".join(f"<td>{100 * share:.0f} %</td>" for share in shares)
        yield f"<tr><td>{title}</td>{cells}</tr>"


def _rest(tuner: EndingsTuner) -> float:
    _, after = _figures(tuner)
    return float(np.mean([after[f"rest_st/{voice}"] for voice in VOICES]))


def _symbols(text: str) -> NDArray[np.int64]:
    (sentence,) = TextFrontEnd().process(text).sentences
    return np.array(sentence.symbol_ids())


def _record(model: Model, prompts: list[EndingPrompt], path: Path) -> None:
    """Write a corpus of the voices' own statements."""
    path.mkdir(parents=True, exist_ok=True)
    chain = named_schedule(SCHEDULE, STEPS, ETA)
    statements = [p.prompt for p in prompts if p.kind == "statement" and not p.held_out]
    clips = []
    for number, prompt in enumerate(islice(statements, RECORDINGS)):
        split = "train" if number % HELD_OUT_EVERY else "validation"
        for voice in VOICES:
            load = partial(_spoken, model, prompt.symbols, chain, number, voice)
            name = f"demo-{voice}-{number:02}"
            clips.append(ClipSource(name, split, prompt.text, voice, cache(load)))
    pack(path, clips, {}, "demo", model.config.grid, "synthetic: the voices' own speech")


@torch.no_grad()
def _spoken(
    model: Model, symbols: NDArray[np.int64], chain: NoiseSchedule, seed: int, voice: str
) -> Arrays:
    frames = encode(model, symbols, seed, model.named_voice(voice))[1][0].cpu().numpy()
    grid, waveform = model.config.grid, speak(model, symbols, chain, seed, frames, voice)
    return {
        "symbols": symbols.astype(np.uint8),
        "durations": (frames / grid.frames_per_s).astype(np.float32),
        **arrays_of(waveform, measure(waveform, grid)),
    }
