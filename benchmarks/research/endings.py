"""Ways to teach how sentences end, each one thing away from DLPO, read at an equal rise.

    python -m research.endings CHECKPOINT --data D --texts T --without recipe/held_out.txt \\
        --test benchmarks/endings.tsv --out RUNS --seed 0 --seed 1 --seed 2 --record

Each arm is `dlpo tune --reward endings` with as many draws and updates, by the voices of the data.
While it learns, the averaged weights draw contours for the test's texts from noise that all arms
share. Arms learn at different speeds, so they are compared where the ends of questions have come up
equally far for the first time, between two readings by a straight line. The rules bend each
question's end and need no weights. Finished runs are not repeated, interrupted ones resume; all
arms of a seed run before the next seed.

An interval is of 2,000 resamples of seeds, texts and recordings together, the same for all arms.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from dlpo.checkpoint import Checkpoint, load_checkpoint
from dlpo.config.strict import from_dict
from dlpo.config.tuning import EndingsTuning
from dlpo.data.dataset import Corpora
from dlpo.errors import DataError
from dlpo.model.contour import Flow
from dlpo.rl.core.loop import DrawnBatch
from dlpo.rl.ending_figures import EndingFigures
from dlpo.rl.ending_prompts import EndingPrompt, in_language, read_ending_prompts
from dlpo.rl.endings import RISING, EndingKind, bend
from dlpo.rl.endings_tuner import EndingsCollector, EndingsTuner, endings_objective
from dlpo.rl.pitch_conditioning import PitchConditioning, in_time
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.rl.prompts import Prompt
from dlpo.text import TextFrontEnd
from dlpo.text.languages import known_language
from dlpo.training.contour_losses import RecordedContours, contour_figures
from dlpo_bench.record import Measured, write_record
from dlpo_bench.statistics import RESAMPLES, SEED, of_resamples
from dlpo_cli.options import Settings, parse_settings
from research import RECORDS, run_study, study_command

BOUND = {"beta": 0.0, "kl_outside": 0.0}  # on what is unlearned; all arms but one have it
SWEPT = (0.5, 1.0, 4.0)  # weights beside 2
LEARNED_RULE = "rule, learned"
ARMS: Mapping[str, dict[str, Any]] = {
    "DLPO": {},
    "control": {"method": "control"},
    "recordings 2": {"kl_outside": 0.0},
    "divergence outside": {"beta": 0.0},
    "bound alone": BOUND,
    "divergence 2": BOUND | {"matching_kl": 2.0},
    "all credited": {"credit_s": None},
    "straight gradient": {"method": "direct"},
    "best draws": {"method": "rwr", "kl_outside": 1.0},
    LEARNED_RULE: {"method": "rwr", "kl_outside": 1.0, "temperature": 1e6},
    "no bound": {"error_bound": 1e6},
    **{f"recordings {weight:g}": BOUND | {"beta": weight} for weight in SWEPT},
    **{f"divergence {weight:g}": BOUND | {"matching_kl": weight} for weight in SWEPT},
}
"""Label -> what differs from `endings_objective` and `EndingsTuning`."""
BENT_ST = (6.0, 10.0)  # semitones by which the rules bend a question's end; the last is learned
RISES = (1.0, 1.5, 2.0)  # semitones that questions' ends have come up by, where arms are read
DRAWS = 4  # of each text and voice
DRAWS_OF_RECORDING = 4
KINDS: Mapping[str, EndingKind] = {
    "yn": "yes_no", "wh": "wh", "st": "statement", "dq": "declarative",
}  # fmt: skip
Array = NDArray[np.float64]
Curve = Mapping[str, Array]


def read_tests(files: Sequence[str]) -> list[EndingPrompt]:
    """The sentences of TSVs of id, kind and text, given as FILE or FILE=LANGUAGE.

    Raises:
        DataError: a line has another form, or a text is more than one sentence.
    """
    found = list[EndingPrompt]()
    for path, language in map(in_language, files):
        front_end, spoken = TextFrontEnd(language=language), known_language(language)
        for line in path.read_text(encoding="utf-8").splitlines():
            name, kind, text = line.split("\t")
            sentences = front_end.process(text).sentences
            if len(sentences) != 1 or kind not in KINDS:
                raise DataError(f"{path}: {name}: expected one sentence of {', '.join(KINDS)}")
            symbols = np.array(sentences[0].symbol_ids(), np.int64)
            prompt = Prompt(len(found), text, symbols)
            found.append(EndingPrompt(prompt, KINDS[kind], len(symbols) - 1, True, spoken))
    return found


class FlowReader:
    """Reads a flow: how it ends the test's texts, and what became of the rest.

    Args:
        base: untuned.
        prompts: the test's.
        data: whose voices speak, and whose validation recordings are drawn again.
    """

    def __init__(self, base: Checkpoint, prompts: Sequence[EndingPrompt], data: Corpora) -> None:
        policy, languages = PitchFlow(base.model.requires_grad_(False)), base.provenance.languages
        held_out = RecordedContours(data, "validation", policy.model.config.rows)
        self.recorded = [held_out.collate([one]) for one in held_out.utterances]
        voices = [name for name in policy.model.config.speakers if name in data.voices]
        recorded = held_out.collate(held_out.utterances)
        self.figures = EndingFigures(policy, prompts, recorded, voices, languages, DRAWS)
        self.texts = np.array([ending.prompt.number for ending in self.figures.prompts])
        self.rising = np.array([prompt.kind in RISING for prompt in prompts])

    def read(self, flow: Flow) -> dict[str, Array]:
        """`crps` (R,) of the recordings, and what `of_draws` says of the texts."""
        policy = self.figures.policy
        policy.flow.load_state_dict(flow.state_dict())
        errors = []
        for recorded in self.recorded:
            embedded, pitch_range = policy.recorded_voices(recorded)
            drawn_by = torch.Generator().manual_seed(0), embedded, pitch_range[0, 2].item()
            errors.append(contour_figures(policy.contour, recorded, DRAWS_OF_RECORDING, *drawn_by))
        crps = np.array([one["crps"] for one in errors])
        return self.of_draws(self.figures.drawn()) | {"crps": crps}

    def of_draws(self, drawn: Sequence[Tensor]) -> dict[str, Array]:
        """(T,) means over voices of the figures of `EndingFigures.of_endings`."""
        rows, found = self.figures.of_endings(drawn), dict[str, Array]()
        for name in ("risen", "movement", "rest_square", "rest_own"):
            values = np.array([row.get(name, np.nan) for row in rows])
            of_texts = (values[self.texts == text] for text in range(len(self.rising)))
            found[name] = np.array([of_text.mean() for of_text in of_texts])
        return found


class ReadRun(EndingsTuner):
    """A run that is read where others validate, to readings/UPDATE.npz beside its log."""

    reader: FlowReader

    def _validate(self) -> Mapping[str, float | Tensor]:
        found = self.reader.read(self.averaged_flow())
        folder = self.out / "readings"
        folder.mkdir(exist_ok=True)
        np.savez(folder / f"{self.update:04}.npz", **found)  # type: ignore[arg-type]
        return {name: float(np.nanmean(values)) for name, values in found.items()}


class BentCollector(EndingsCollector):
    """Bends the questions that the flow draws, so that it learns the rule."""

    def collect(self, update: int) -> DrawnBatch:
        parts = []
        for part in super().collect(update).parts:
            endings = zip(part.prompts, part.conditions.sentences, part.samples, strict=True)
            rows = [
                ruled(ending, sentence, in_time(drawn[:, :, : len(sentence.frames)]), BENT_ST[-1])
                for ending, sentence, drawn in endings
            ]
            parts.append(replace(part, samples=part.conditions.padded_points(rows)))
        return DrawnBatch(tuple(parts))


class BentRun(ReadRun):
    """Learns the rule."""

    collects = BentCollector


def main(
    checkpoint: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    data: Annotated[list[Path], typer.Option(help="Datasets of the diffusion loss.")],
    texts: Annotated[list[str], typer.Option(help="FILE[=LANGUAGE] to learn from, id|text.")],
    test: Annotated[list[str], typer.Option(help="FILE[=LANGUAGE] to measure: id, kind, text.")],
    out: Annotated[Path, typer.Option(help="Directory of the runs.")],
    without: Annotated[Path | None, typer.Option(help="Ids of texts left out.")] = None,
    arm: Annotated[list[str] | None, typer.Option(help="Arms to run; else all.")] = None,
    settings: Settings = None,
    seed: Annotated[list[int] | None, typer.Option(help="Of an arm's runs; 0 by default.")] = None,
    record: bool = False,
) -> None:
    """Run the arms, print and record how each ends sentences."""
    torch.set_num_threads(1)
    base = load_checkpoint(checkpoint)
    corpora = Corpora(data, [1.0] * len(data))
    prompts = read_ending_prompts(texts, without)
    reader = ReadRun.reader = FlowReader(base, read_tests(test), corpora)
    start = reader.read(reader.figures.policy.flow) | {"update": np.array(0.0)}
    found: dict[str, Any] = {}
    runs: dict[str, Any] = {}
    curves: dict[str, list[Curve]] = {}
    for number, label in itertools.product(seed or [0], arm or ARMS):
        of_run = {name: of for name, of in ARMS[label].items() if hasattr(EndingsTuning(), name)}
        values = {**parse_settings(settings or ()), **of_run, "seed": number}
        tuning = from_dict(EndingsTuning, values)
        others = {name: of for name, of in ARMS[label].items() if name not in of_run}
        kind = BentRun if label == LEARNED_RULE else ReadRun
        folder = out / f"{label}-{number}".replace(" ", "-")
        run = kind(checkpoint, corpora, prompts, folder, endings_objective(**others), tuning)
        run.run()
        if run.stop_signal:
            return
        curves.setdefault(label, []).append(curve_of(folder, start))
        runs[f"{label}, seed {number}"] = shown(summary(curves[label][-1], reader.rising))
    for semitones in BENT_ST:
        read = reader.figures
        endings = zip(read.prompts, read.sentences, read.before, strict=True)
        bent = start | reader.of_draws([ruled(*ending, semitones) for ending in endings])
        both = {name: np.stack([start[name], of]) for name, of in bent.items()}
        found[f"rule {semitones:g}"] = shown(summary(both, reader.rising))
    found |= compared(curves, reader.rising)
    print(json.dumps(found, indent=1))
    if record:
        print(write_record("endings", Measured(found, runs), study_command("endings"), RECORDS))


def curve_of(folder: Path, start: Mapping[str, Array]) -> Curve:
    """A run's readings, the untuned voice first: (U, ...) each, and `update` (U,)."""
    files = sorted((folder / "readings").glob("*.npz"))
    read = [start, *(dict(np.load(one)) | {"update": np.array(float(one.stem))} for one in files)]
    return {name: np.stack([one[name] for one in read]) for name in start}


def summary(
    curve: Curve, rising: NDArray[np.bool_], chosen: Sequence[Any] = (slice(None), slice(None))
) -> dict[str, Array]:
    """(U,) semitones by which questions end higher than before, and others; the share of questions
    that rise; the change of the rest of a sentence in semitones (root mean square), its spread over
    that before tuning, and the CRPS.

    Args:
        curve: (U, T) of texts and (U, R) of recordings.
        rising: (T,) whether a text should rise.
        chosen: texts and recordings; all by default.
    """
    texts, recordings = chosen
    up, ends = rising[texts], curve["movement"][:, texts] - curve["movement"][:1, texts]
    square, own = (np.nanmean(curve[f"rest_{name}"][:, texts], 1) for name in ("square", "own"))
    return {
        "update": curve["update"],
        "up_st": np.nanmean(ends[:, up], 1),
        "others_up_st": np.nanmean(ends[:, ~up], 1),
        "risen": curve["risen"][:, texts][:, up].mean(1),
        "rest_st": square**0.5,
        "spread": (own / own[0]) ** 0.5,
        "crps": curve["crps"][:, recordings].mean(1),
    }


def at_rise(figures: Curve, rise: float) -> dict[str, float]:
    """(U,) figures where questions first end so much higher; NaN if they never do."""
    up = figures["up_st"]
    crossed = np.flatnonzero((up[:-1] < rise) & (rise <= up[1:]))
    if not len(crossed):
        return dict.fromkeys(figures, np.nan)
    k = crossed[0]
    share = (rise - up[k]) / (up[k + 1] - up[k])
    return {name: (1 - share) * of[k] + share * of[k + 1] for name, of in figures.items()}


def compared(
    curves: Mapping[str, Sequence[Curve]], rising: NDArray[np.bool_]
) -> dict[str, dict[str, Any]]:
    """Of each arm the figures at each of `RISES`, means over seeds, with intervals; `over_control`
    is CRPS less that of the control of the same seed after as many updates; `less DLPO` is paired.
    """
    rng = np.random.default_rng(SEED)
    sizes = len(curves["DLPO"]), len(rising), curves["DLPO"][0]["crps"].shape[1]
    rows: dict[tuple[str, str], list[float]] = {}
    for resample in range(1 + RESAMPLES):
        drawn = [rng.integers(n, size=n) if resample else np.arange(n) for n in sizes]
        control = [summary(curve, rising, drawn[1:])["crps"] for curve in curves["control"]]
        for label, of_arm in curves.items():
            read = [summary(curve, rising, drawn[1:]) for curve in of_arm]
            for figures, crps in zip(read, control, strict=True):
                figures["over_control"] = figures["crps"] - crps
            for rise in RISES:
                at = [at_rise(one, rise) for one in read]
                for name in read[0]:
                    mean = float(np.mean([at[seed][name] for seed in drawn[0]]))
                    rows.setdefault((label, f"at {rise:g}/{name}"), []).append(mean)
    found: dict[str, dict[str, Any]] = {}
    for (label, name), of in rows.items():
        beside = np.subtract(of, rows["DLPO", name])
        for key, values in ((name, np.array(of)), (f"{name}, less DLPO", beside)):
            if np.isfinite(values[0]):
                known = values[np.isfinite(values)]
                found.setdefault(label, {})[key] = of_resamples(values[0], known).figure
    return found


def shown(figures: Mapping[str, Any]) -> dict[str, Any]:
    """In the form that records use."""
    return {name: np.round(value, 4).tolist() for name, value in figures.items()}


def ruled(
    ending: EndingPrompt, sentence: PitchConditioning, contours: Tensor, semitones: float
) -> Tensor:
    """(..., 2P) contours of a prompt, with their end bent if it is a question that rises."""
    voiced, rate = sentence.voiced.numpy(), sentence.frames_per_s
    if ending.kind not in RISING or not voiced.any():
        return contours
    return bend(contours, sentence.point_weights, voiced, semitones, sentence.spread, rate)


if __name__ == "__main__":
    run_study(main)
