"""Tuning in minutes: `dlpo tune --demo` tunes this repository's untuned voice without a corpus.

The voice reads a few sentences in eight reverse steps. The loss of predicted prosody on these
recordings keeps the voice close to what it was. The reward is DistillMOS, whose weights ship with
its package. Tuning explores the numbers of prosody (`dlpo.rl.explore`), with one reverse step; the
denoiser and the diffusion loss take no part.
"""

from __future__ import annotations

import html
import json
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import dlpo
from dlpo.audio import HOP_LENGTH, SAMPLE_RATE, write_wav
from dlpo.checkpoint import load_checkpoint
from dlpo.config.training import TuningConfig
from dlpo.data.dataset import Arrays, ClipSource, Corpora, arrays_of, pack
from dlpo.data.features import measure
from dlpo.errors import InputError
from dlpo.model.build import Model
from dlpo.noise_schedule import NoiseSchedule, named_schedule
from dlpo.rl.methods import Objective, Plan
from dlpo.rl.reward_models import RewardSources, load_reward_models
from dlpo.rl.tuner import Tuner
from dlpo.text import TextFrontEnd
from dlpo.training.synthesis import encode, speak

CHECKPOINT = Path("voices/spectral/checkpoint")  # in the repository; wheels have no checkpoints
VOICE = "lj"
SCHEDULE, ETA, RECORDING_STEPS = "cosine:1.25", 0.7, 8
TRAINING_TEXTS = (
    "The ferry leaves at seven, and the last train waits for it.",
    "She opened the window to let the smell of paint out.",
    "Nobody had told the children why the school was closed.",
    "Turn left at the bakery and keep going until the road ends.",
    "Is there anything left of the soup that you made yesterday?",
    "A thin layer of ice had formed along the edge of the lake.",
)
HELD_OUT_TEXTS = (
    "The museum keeps its oldest maps in a room without windows.",
    "If it rains again tomorrow, we will have to move the chairs inside.",
    "Who would have thought that such a small machine could sing?",
)


def demo_tuner(out: Path, updates: int = 12) -> Tuner:
    """A run of about five minutes on one core; `out` holds its corpus and its checkpoints.

    Raises:
        InputError: this package is not inside its repository.
        TrainingError: `out` holds another run.
        MissingExtraError: a package of the extra `train` is not installed.
    """
    checkpoint = Path(dlpo.__file__).parents[1] / CHECKPOINT
    if not checkpoint.is_dir():
        raise InputError(
            f"{checkpoint}: not found; the demo needs the checkpoint in dlpo's repository: clone"
            " it and run the demo there"
        )
    data, run = out / "corpus", out / "run"
    if not (data / "dataset.json").exists():
        _record(load_checkpoint(checkpoint).model, data)
    corpora = Corpora([data])
    objective = Objective("dlpo", explore="weights")
    plan = Plan(objective, {"distillmos": 1.0}, SCHEDULE, 1, ETA)
    config = TuningConfig(
        updates=updates, sentences=4, group=8, log_every=1, validate_every=updates, guard=False,
        ema_decay=0.0,
    )  # fmt: skip
    models = load_reward_models(corpora, plan, config, RewardSources(Path()))
    return Tuner(checkpoint, corpora, run, plan, config, models)


def write_page(tuner: Tuner, out: Path) -> Path:
    """Speak the held-out texts before and after; `out`/index.html plays them, with the curve."""
    chain = named_schedule(SCHEDULE, 1, ETA)
    tuned = load_checkpoint(tuner.out / "checkpoint").model
    rows = []
    for number, text in enumerate(HELD_OUT_TEXTS):
        players = []
        for name, model in (("before", tuner.reference), ("after", tuned)):
            file = f"{name}-{number}.wav"
            write_wav(out / file, speak(model, _symbols(text), chain, seed=number))
            players.append(f'<td><audio controls src="{file}"></audio></td>')
        rows.append(f"<tr><td>{html.escape(text)}</td>{''.join(players)}</tr>")
    log = map(json.loads, (tuner.out / "log.jsonl").read_text("utf-8").splitlines())
    scores = [line["reward/DistillMOS"] for line in log if line["split"] == "train"]
    low, high = min(scores), max(scores)
    points = " ".join(f"{i},{-score:.3f}" for i, score in enumerate(scores))
    box = f"-0.1 {-high - 0.01:.3f} {len(scores) - 0.8} {high - low + 0.02:.3f}"
    panels = [panel for panel in (tuner.baseline, tuner.last) if panel]
    before, after = (panel.figures()["reward/DistillMOS"] for panel in panels)
    page = out / "index.html"
    page.write_text(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>dlpo tune --demo</title>
<h1>Prosody explored, {tuner.update} updates</h1>
<p>DistillMOS on held-out sentences: {before:.2f} before, {after:.2f} after. DistillMOS is also the
reward, so a higher score proves nothing: listen to the clips. Mean reward of the explored voices
per update, on training sentences and at their own levels, {low:.2f} to {high:.2f}:</p>
<svg width="620" height="170" viewBox="{box}" preserveAspectRatio="none" role="img"><title>Reward
per update</title><polyline points="{points}" fill="none" stroke="#6d28d9" stroke-width="3"
vector-effect="non-scaling-stroke"/></svg>
<table><tr><th>Held-out sentence</th><th>before</th><th>after</th></tr>{"".join(rows)}</table>
</html>
""",
        "utf-8",
    )
    return page


def _symbols(text: str) -> NDArray[np.int64]:
    (sentence,) = TextFrontEnd().process(text).sentences
    return np.array(sentence.symbol_ids())


def _record(model: Model, path: Path) -> None:
    """Write a corpus of the model's own speech."""
    path.mkdir(parents=True, exist_ok=True)
    chain = named_schedule(SCHEDULE, RECORDING_STEPS, ETA)
    texts = [(text, "train") for text in TRAINING_TEXTS]
    texts += [(text, "validation") for text in HELD_OUT_TEXTS]
    clips = []
    for number, (text, split) in enumerate(texts):
        load = partial(_spoken, model, _symbols(text), chain, number)
        clips.append(ClipSource(f"demo-{number:02}", split, text, VOICE, cache(load)))
    pack(path, clips, {}, "demo", "synthetic: the voice's own speech in eight steps")


def _spoken(model: Model, symbols: NDArray[np.int64], chain: NoiseSchedule, seed: int) -> Arrays:
    frames = encode(model, symbols, seed, model.named_voice(None))[1][0].cpu().numpy()
    waveform = speak(model, symbols, chain, seed, frames)
    return {
        "symbols": symbols.astype(np.uint8),
        "durations": (frames * (HOP_LENGTH / SAMPLE_RATE)).astype(np.float32),
        **arrays_of(waveform, measure(waveform)),
    }
