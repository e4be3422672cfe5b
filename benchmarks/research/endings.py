"""Ways to teach how sentences end, with one budget: DLPO, its controls and the rule.

    python -m research.endings CHECKPOINT --data D --texts T --texts S=es-419 \\
        --test benchmarks/endings.tsv --test benchmarks/endings-es.tsv=es-419 --out RUNS --record

Each arm is `dlpo tune --reward endings` with the same prompts, draws and updates, once with each
`--seed`; finished runs are not repeated, interrupted ones resume. Then all of them draw contours
for the test texts from the same noise. The rules bend each question's end by 6 or 10 semitones and
need no weights. Arms learn at different speeds, so each run's log is also read where equally many
questions rise. With `--whisper`, a recognizer hears the declarative questions of all of them,
spoken from one denoiser's noise.

The record has the means of an arm's seeds, and each seed's figures and what ran it as samples.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from dlpo.checkpoint import Provenance, load_checkpoint
from dlpo.commit import current_commit
from dlpo.config.tuning import EndingsTuning
from dlpo.data.dataset import Corpora
from dlpo.errors import DataError
from dlpo.judges.whisper import Whisper
from dlpo.noise_schedule import named_schedule
from dlpo.rl.core.objective import Objective
from dlpo.rl.ending_figures import EndingFigures
from dlpo.rl.ending_prompts import EndingPrompt, in_language, read_all_prompts
from dlpo.rl.endings import RISING, EndingKind, bend
from dlpo.rl.endings_tuner import EndingsTuner, endings_objective
from dlpo.rl.pitch_conditioning import PitchConditioning, as_points
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.rl.probe import Speaker
from dlpo.rl.prompts import Prompt
from dlpo.text import TextFrontEnd
from dlpo.text.languages import known_language
from dlpo.training.contour_losses import RecordedContours
from dlpo_bench.record import Measured, machine, write_record
from research import RECORDS, run_study, study_command

BOUND = {"beta": 0.0, "kl_outside": 0.0}  # on what is unlearned; all arms have it
SWEPT = (0.5, 1.0, 2.0, 4.0)
ARMS: Mapping[str, dict[str, Any]] = {
    "DLPO": {},
    "control": {"method": "control"},
    "bound alone": BOUND,
    **{f"recordings {weight:g}": BOUND | {"beta": weight} for weight in SWEPT},
    **{f"divergence {weight:g}": BOUND | {"matching_kl": weight} for weight in SWEPT},
    "divergence outside": BOUND | {"kl_outside": 1.0},
    "all credited": {"credit_s": None},
    "straight gradient": {"method": "direct"},
    "best draws": {"method": "rwr"},
}
"""Label -> what differs from `endings_objective` and `EndingsTuning`: each anchor alone."""
UNTOUCHED, RULE = "untouched", "rule"
BENT_ST = (6.0, 10.0)  # semitones by which the rules bend a question's end
RISES = (0.1, 0.2, 0.3, 0.4)  # shares of yes/no questions that rise, at which arms are compared
BESIDE = ("rest_st", "spread", "crps")  # what else moved by then
SPENT = "spent.json"  # CPU-seconds and scores, and what ran it, beside a finished run
KINDS: Mapping[str, EndingKind] = {
    "yn": "yes_no", "wh": "wh", "st": "statement", "dq": "declarative",
}  # fmt: skip
Heard = Callable[[EndingFigures, Sequence[Tensor]], dict[str, float]]


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


def settings_of(arm: Mapping[str, Any], usual: EndingsTuning) -> EndingsTuning:
    """The run's settings, where an arm changes one."""
    return replace(usual, **{k: v for k, v in arm.items() if hasattr(usual, k)})


def objective_of(arm: Mapping[str, Any], usual: EndingsTuning) -> Objective:
    """The run's objective."""
    return endings_objective(**{k: v for k, v in arm.items() if not hasattr(usual, k)})


def main(
    checkpoint: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    data: Annotated[list[Path], typer.Option(help="Datasets of the diffusion loss.")],
    texts: Annotated[list[str], typer.Option(help="FILE[=LANGUAGE] to learn from, id|text.")],
    test: Annotated[list[str], typer.Option(help="FILE[=LANGUAGE] to measure: id, kind, text.")],
    out: Annotated[Path, typer.Option(help="Directory of the runs.")],
    without: Annotated[Path | None, typer.Option(help="Ids of texts left out.")] = None,
    arm: Annotated[list[str] | None, typer.Option(help="Arms to run, or none; else all.")] = None,
    also: Annotated[
        list[str] | None, typer.Option(help="Other checkpoints to measure: NAME=CHECKPOINT.")
    ] = None,
    updates: int = EndingsTuning().updates,
    whisper: Annotated[Path | None, typer.Option(help="Recognizer that hears questions.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Of an arm's runs; 0 by default.")] = None,
    record: bool = False,
) -> None:
    """Run the arms, print and record how each ends sentences."""
    torch.set_num_threads(1)
    prompts = read_all_prompts(texts, without)
    corpora = Corpora(data, [1.0] * len(data))
    base = load_checkpoint(checkpoint)
    policy = PitchFlow(base.model.requires_grad_(False))
    held_out = RecordedContours(corpora, "validation", policy.model.config.rows)
    recorded = held_out.collate(held_out.utterances)
    speakers, languages = policy.model.config.speakers, base.provenance.languages
    figures = EndingFigures(policy, read_tests(test), recorded, speakers, languages)
    heard = listener(policy, base.provenance, whisper)
    untouched = figures.measure(copy.deepcopy(policy.flow)) | heard(figures, figures.before)
    found = {UNTOUCHED: untouched}
    for semitones in BENT_ST:
        bent = ruled(figures, semitones)
        found[f"{RULE} {semitones:g}"] = figures.of_draws(bent) | heard(figures, bent)
    seeds = seed or [0]
    runs: dict[str, dict[str, Any]] = {}
    for label in [] if arm == ["none"] else arm or ARMS:
        for number in seeds:
            usual = EndingsTuning(updates=updates, seed=number)
            objective, settings = objective_of(ARMS[label], usual), settings_of(ARMS[label], usual)
            folder = out / f"{label.replace(' ', '-')}-{number}"
            if not (folder / SPENT).exists():
                began = time.process_time()
                EndingsTuner(checkpoint, corpora, prompts, folder, objective, settings).run()
                spent = {
                    "cpu_s": round(time.process_time() - began, 1),
                    "scores": settings.updates * settings.sentences * settings.draws,
                    "by": machine() | {"torch": torch.__version__, "commit": current_commit()},
                }
                (folder / SPENT).write_text(json.dumps(spent))
            tuned = PitchFlow(load_checkpoint(folder / "checkpoint").model)
            made = figures.measure(tuned.flow) | json.loads((folder / SPENT).read_text())
            made |= at_rises(folder / "log.jsonl") | heard(figures, figures.drawn())
            runs[f"{label}, seed {number}"] = made
        found[label] = means([runs[f"{label}, seed {number}"] for number in seeds])
        print(label, json.dumps(shown(found[label], policy.model.config.speakers)), flush=True)
    for given in also or ():
        label, _, place = given.partition("=")
        found[label] = figures.measure(PitchFlow(load_checkpoint(Path(place)).model).flow)
        found[label] |= heard(figures, figures.drawn())
    for label in set(found) - set(ARMS):
        print(label, json.dumps(shown(found[label], policy.model.config.speakers)))
    if record:
        print(write_record("endings", Measured(found, runs), study_command("endings"), RECORDS))


def at_rises(log: Path) -> dict[str, float]:
    """`at 0.2/rest_st` and others: figures on validation's contours, interpolated to where so many
    of a run's yes/no questions rise for the first time; none where they never do."""
    found = dict[str, float]()
    lines = map(json.loads, log.read_text().splitlines())
    curve = [_of_voices(line) for line in lines if line["split"] == "validation"]
    for rise in RISES:
        for before, after in itertools.pairwise(curve):
            if before["risen"] < rise <= after["risen"]:
                share = (rise - before["risen"]) / (after["risen"] - before["risen"])
                for name in ("update", *BESIDE):
                    found[f"at {rise:g}/{name}"] = (1 - share) * before[name] + share * after[name]
                break
    return found


def _of_voices(line: Mapping[str, float]) -> dict[str, float]:
    """A line of a log with the means of its voices' figures."""
    asked = [value for name, value in line.items() if re.fullmatch("risen/.*/yes_no", name)]
    found = {"risen": float(np.mean(asked)), "update": line["update"]}
    for figure in BESIDE:
        of = [value for name, value in line.items() if name.partition("/")[0] == figure]
        found[figure] = float(np.mean(of))
    return found


def means(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The means of the figures that all of an arm's runs have."""
    names = [
        name
        for name, value in runs[0].items()
        if isinstance(value, int | float) and all(name in run for run in runs)
    ]
    return {name: float(np.mean([run[name] for run in runs])) for name in names}


def listener(policy: PitchFlow, provenance: Provenance, whisper: Path | None) -> Heard:
    """What hears the declarative questions of a system, by voice; nothing without a recognizer."""
    if whisper is None:
        return lambda figures, drawn: {}
    recognizer = Whisper(whisper)
    speaker = Speaker(policy, named_schedule(*provenance.chain))

    def heard(figures: EndingFigures, drawn: Sequence[Tensor]) -> dict[str, float]:
        logits: dict[str, list[float]] = {}
        for ending, sentence, points in zip(figures.prompts, figures.sentences, drawn, strict=True):
            if ending.kind != "declarative" or not ending.prompt.voice:
                continue
            contour = sentence.centre + sentence.spread * as_points(points[0])
            clip = speaker.speak(ending.prompt, contour, 0)
            logit = recognizer.question_logit(clip, speaker.rate_hz, ending.prompt.text)
            logits.setdefault(ending.prompt.voice, []).append(logit)
        return {f"question_mark/{voice}": float(np.mean(of)) for voice, of in logits.items()}

    return heard


@torch.no_grad()
def ruled(figures: EndingFigures, semitones: float) -> list[Tensor]:
    """Contours of the untouched flow whose questions are bent."""
    return [
        bent_contours(sentence, contours, semitones) if prompt.kind in RISING else contours
        for prompt, sentence, contours in zip(
            figures.prompts, figures.sentences, figures.before, strict=True
        )
    ]


def bent_contours(sentence: PitchConditioning, contours: Tensor, semitones: float) -> Tensor:
    """(..., 2P) contours of a sentence with the rule applied to its end."""
    if not sentence.voiced.any():
        return contours
    voiced, rate = sentence.voiced.numpy(), sentence.frames_per_s
    return bend(contours, sentence.point_weights, voiced, semitones, sentence.spread, rate)


def shown(figures: Mapping[str, float], voices: Sequence[str]) -> dict[str, Any]:
    """The figures to print, by voice."""
    rows: dict[str, Any] = {}
    for voice in voices:
        names = {kind: f"risen/{voice}/{KINDS[kind]}" for kind in KINDS}
        names |= {name: f"{name}/{voice}" for name in ("rest_st", "spread", "question_mark")}
        found = {name: figures[key] for name, key in names.items() if key in figures}
        rows[voice] = {name: round(value, 3) for name, value in found.items()}
    return rows | {k: round(v, 3) for k, v in figures.items() if "/" not in k}


if __name__ == "__main__":
    run_study(main)
