"""Methods of tuning compared on one checkpoint: several seeds, one budget, held-out judges.

    python -m research.method_comparison --data D --out RUNS --record

Each run is `dlpo tune` with the guard off and the same number of updates and rollouts; finished
runs are not repeated, interrupted ones resume. Then all of them speak the test sentences. The seeds
of a method are its takes: the sentence remains the unit of every interval and test.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from dlpo.errors import DataError, DlpoError
from dlpo.rl.reward_models import GRADIENT_JUDGES, parse_weights
from dlpo_bench.clips import TEST_SPLIT, Clip, clips_of_texts, load_clips
from dlpo_bench.eval import caption, differences, figures, markdown, samples
from dlpo_bench.judging import JudgePanel, Quality, SystemScores, Take, evaluate
from dlpo_bench.options import SpeakingOptions
from dlpo_bench.panel import load_panel
from dlpo_bench.plots import COLORS, Series, draw_panels
from dlpo_bench.plots import PlotPanel as Axes
from dlpo_bench.record import Measured, write_record
from dlpo_bench.systems import RECORDED, RECORDINGS, open_systems
from research import RECORDS

UNTUNED = "untuned"
CONTROL = "control"
METHODS: Mapping[str, Sequence[str]] = {
    **{m: (m,) for m in (CONTROL, "rwr", "ddpo", "dpok", "klinr", "onlydl", "dlpo", "awm")},
    "recordings": (CONTROL, "--set", "adversary=false"),
    "step": ("dlpo", "--explore", "step", "--beta", "0", "--steps", "2"),
    "dlpo-return": ("dlpo", "--guide", "return"),
    "dlpo-both": ("dlpo", "--guide", "both"),
    "direct": ("direct",),
    "direct-guided": ("direct", "--guide", "recordings", "--alpha", "0.1"),
}
"""Row label in the table -> its method, with options of `dlpo tune`."""
CURVES = ("DistillMOS", "NISQA", "NISQA-TTS", "DNSMOS P.808")


@dataclass(frozen=True, slots=True)
class Curve:
    """One method's figure over the scores it spent: mean and range over its seeds."""

    label: str
    scores: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def draw_curves(panels: Mapping[str, Sequence[Curve]]) -> str:
    """An SVG document: a panel for each figure, a line with a band for each method."""
    drawn = []
    for name, curves in panels.items():
        series = [
            Series(
                one.scores, one.mean, one.label, COLORS[index % len(COLORS)], "-",
                list(zip(one.low, one.high, strict=True)), band=True,
            )
            for index, one in enumerate(curves)
        ]  # fmt: skip
        drawn.append(Axes(name, "scores", "", series))
    return draw_panels("Tuning, by method", drawn)


@dataclass(frozen=True, slots=True)
class Budget:
    """What every run may spend."""

    updates: int
    sentences: int
    """prompts per update"""
    group: int
    """number of seeds per method"""
    learning_rate: float
    longest_s: float
    """length limit of a prompt"""
    validate_every: int
    validation_sentences: int
    chain: SpeakingOptions
    """reverse steps, and schedule and eta where they aren't the checkpoint's own"""
    reward: str
    extra: Sequence[str]
    """further settings, method:KEY=VALUE, or KEY=VALUE for all methods"""

    def settings(self, method: str) -> dict[str, str]:
        """Settings of a method, by name."""
        values: dict[str, object] = {
            "updates": self.updates,
            "sentences": self.sentences,
            "group": self.group,
            "learning_rate": self.learning_rate,
            "longest_s": self.longest_s,
            "warm_up": 2,
            "augment": "true",
            "unit_spread": str("--explore" not in METHODS[method]).lower(),
            "log_every": self.validate_every,
            "validate_every": self.validate_every,
            "validation_sentences": self.validation_sentences,
            "save_every": 5,
        }
        for one in self.extra:
            head, equals, value = one.partition("=")
            name, _, key = head.rpartition(":")
            if not equals or name not in ("", *METHODS):
                raise typer.BadParameter(f"--set is {one!r}; expected [METHOD:]KEY=VALUE")
            if name in ("", method):
                values[key] = value
        return {name: str(value) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of `dlpo tune`."""

    name: str
    """key of `METHODS`"""
    seed: int
    out: Path

    @property
    def checkpoint(self) -> Path:
        """The averaged weights after the last update."""
        return self.out / "checkpoint"

    def cost(self) -> dict[str, Any]:
        """What it has spent so far, see `Tuner.cost`; empty before its first checkpoint."""
        cost = self.out / "cost.json"
        return dict(json.loads(cost.read_text())) if cost.exists() else {}

    def tune(self, start: Path, data: Path, weights: Path, budget: Budget) -> Run:
        """Run it, or the rest of it; `direct` gets those of the rewards that have a gradient.

        Raises:
            DataError: the command failed; the message quotes the end of its output.
        """
        settings = budget.settings(self.name)
        if self.cost().get("updates", 0) >= int(settings["updates"]):
            return self
        reward = parse_weights(budget.reward)
        if METHODS[self.name][0] == "direct":
            reward = {name: reward[name] for name in reward if name in GRADIENT_JUDGES} or reward
        command = [
            sys.executable, "-m", "dlpo", "tune", str(start), "--data", str(data),
            "--out", str(self.out), "--guard", "off", "--weights", str(weights),
            *chain_flags(budget.chain), "--method", *METHODS[self.name],
            "--reward", ",".join(f"{name}={weight}" for name, weight in reward.items()),
            "--set", f"seed={self.seed}",
            *(part for one in settings.items() for part in ("--set", "=".join(one))),
        ]  # fmt: skip
        done = subprocess.run(
            command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
        )
        if done.returncode:
            raise DataError(f"{shlex.join(command)} failed:\n{done.stderr[-2_000:]}")
        return self

    def validations(self) -> list[dict[str, Any]]:
        """The validation lines of its log."""
        lines = [json.loads(line) for line in (self.out / "log.jsonl").read_text().splitlines()]
        return [line for line in lines if line["split"] == "validation"]

    def measured(self, name: str) -> dict[int, float]:
        """Update -> a figure of its held-out panel.

        Raises:
            DataError: the panel has no such figure.
        """
        found = {
            line["update"]: line[key]
            for line in self.validations()
            for key in (f"reward/{name}", f"held_out/{name}")
            if key in line
        }
        if not found:
            raise DataError(f"{self.out / 'log.jsonl'}: nobody measured {name}; tune it again")
        return found


def chain_flags(chain: SpeakingOptions) -> list[str]:
    """The options of `dlpo tune` for a chain."""
    given = {"steps": chain.steps[0], "schedule": chain.schedule, "eta": chain.eta}
    return [part for k, v in given.items() if v is not None for part in (f"--{k}", str(v))]


def curve(name: str, method: str, runs: Sequence[Run]) -> Curve:
    """A figure's mean and range over the seeds of a method."""
    found = [run.measured(name) for run in runs]
    updates = sorted(set.intersection(*(set(values) for values in found)))
    rows = np.array([[values[update] for update in updates] for values in found])
    scores = np.multiply(updates, runs[0].cost()["rollouts_per_update"]).tolist()
    return Curve(method, scores, rows.mean(0).tolist(), rows.min(0).tolist(), rows.max(0).tolist())


def listen(
    runs: Mapping[str, Sequence[Run]],
    start: Path,
    clips: Sequence[Clip],
    load: Callable[[], JudgePanel],
    chain: SpeakingOptions,
    at_once: int = 1,
) -> Quality:
    """Judge all methods on some sentences; the seeds of a method are its takes.

    Systems are judged in parallel, each by its own panel in its own process.
    """
    named: dict[str, list[str]] = {RECORDINGS: []} if clips[0].recording else {}
    named[UNTUNED] = [f"{UNTUNED}={start}"]
    for method, seeds in runs.items():
        named[method] = [f"{method}-{run.seed}={run.checkpoint}" for run in seeds]
    hear = partial(_hear, clips=clips, load=load, chain=chain)
    with ProcessPoolExecutor(at_once, get_context("spawn")) as pool:
        parts = list(pool.map(hear, named, named.values()))
    heard = {name: part.scores[name] for name, part in zip(named, parts, strict=True)}
    failures = [failure for part in parts for failure in part.failures]
    silent = [clip for part in parts for clip in part.silent]
    return replace(
        parts[0], scores=heard, panel=load(), baseline=UNTUNED, failures=failures, silent=silent
    )


def with_reward(quality: Quality, judges: Sequence[str]) -> Quality:
    """Adds `reward`, the mean of `judges` in standard deviations over untuned sentences, if any."""
    if not judges:
        return quality
    spread = {j: float(np.nanstd(quality.scores[UNTUNED].values[j])) for j in judges}

    def rewarded(take: Take) -> Take:
        reward = np.mean([take.values[j] / spread[j] for j in judges], axis=0)
        return replace(take, values={"reward": reward, **take.values})

    scores = {n: SystemScores([rewarded(t) for t in s.takes]) for n, s in quality.scores.items()}
    return replace(quality, scores=scores)


def _hear(
    name: str, places: Sequence[str], clips: Sequence[Clip], load: Callable[[], JudgePanel],
    chain: SpeakingOptions,
) -> Quality:  # fmt: skip
    """Judge one system; the result omits its panel, which can't leave the process."""
    import torch

    torch.set_num_threads(1)
    candidates = open_systems(places, chain) if places else [RECORDED]
    takes = [take for candidate in candidates for take in candidate.takes]
    quality = evaluate({name: takes}, clips, load())
    return replace(quality, panel=JudgePanel([], {}, {}))


def by_seed(quality: Quality, method: str) -> dict[str, list[float]]:
    """Measure -> mean difference from the untuned voice, per seed."""
    base = quality.scores[UNTUNED].values
    takes = quality.scores[method].takes
    return {m: [float(np.nanmean(t.values[m] - base[m])) for t in takes] for m in base}


def main(
    data: Annotated[Path, typer.Option(exists=True, help="Dataset from `dlpo prepare`.")],
    out: Annotated[Path, typer.Option(help="Directory of the runs.")],
    checkpoint: Annotated[Path, typer.Option(exists=True)] = Path("voices/spectral/checkpoint"),
    corpus: Annotated[Path, typer.Option(exists=True)] = Path("../shared/data/ljspeech"),
    weights: Annotated[Path, typer.Option(help="Weights of the judges.")] = Path(
        "../shared/models"
    ),
    method: Annotated[list[str] | None, typer.Option(help="Repeatable; all if left out.")] = None,
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    updates: Annotated[int, typer.Option(min=1)] = 10,
    sentences: Annotated[int, typer.Option(min=1)] = 4,
    group: Annotated[int, typer.Option(min=2)] = 4,
    learning_rate: Annotated[float, typer.Option(min=0)] = 1e-4,
    longest_s: Annotated[float, typer.Option(help="Longest prompt.")] = 3.0,
    validate_every: Annotated[int, typer.Option(min=1)] = 5,
    validation_sentences: Annotated[int, typer.Option(min=1)] = 5,
    at_once: Annotated[int, typer.Option(min=1, help="Runs side by side, a core each.")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="Reverse steps of the chain.")] = 3,
    schedule: Annotated[str | None, typer.Option(help="By default the checkpoint's own.")] = None,
    eta: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    reward: Annotated[str, typer.Option(help="See `dlpo tune`.")] = "distillmos",
    extra: Annotated[
        list[str] | None, typer.Option("--set", help="[METHOD:]KEY=VALUE; repeatable.")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(exists=True, help="File of other texts to judge, one a line.")
    ] = None,
    texts_only: Annotated[
        bool, typer.Option(help="Judge those texts only, not the corpus's test split.")
    ] = False,
    judge: Annotated[list[str] | None, typer.Option(help="As of `dlpo eval`; repeatable.")] = None,
    whisper: Annotated[Path | None, typer.Option(help="A Whisper checkpoint, held out.")] = None,
    speaker: Annotated[Path | None, typer.Option(help="Weights of the speaker encoder.")] = None,
    record: Annotated[bool, typer.Option(help="Write a benchmark record.")] = False,
) -> None:
    """Tune with every method and let judges compare the results."""
    chain = SpeakingOptions((steps,), schedule=schedule, eta=eta)
    budget = Budget(
        updates, sentences, group, learning_rate, longest_s, validate_every, validation_sentences,
        chain, reward, extra or [],
    )  # fmt: skip
    if texts_only and texts is None:
        raise typer.BadParameter("--texts-only is given without --texts; expected a file of them")
    methods = method or list(METHODS)
    if unknown := set(methods) - set(METHODS):
        raise typer.BadParameter(f"{unknown}; expected some of {', '.join(METHODS)}")
    runs = {m: [Run(m, s, out / f"{m}-{s}") for s in range(seeds)] for m in methods}
    in_turn = [runs[m][s] for s in range(seeds) for m in methods]  # a whole seed at a time
    try:
        with ThreadPoolExecutor(at_once) as pool:
            for run in pool.map(lambda run: run.tune(checkpoint, data, weights, budget), in_turn):
                typer.echo(f"{run.out}: {run.cost()['updates']} updates", err=True)
        load = partial(
            load_panel, weights, [whisper] if whisper else [],
            speaker=(speaker, corpus) if speaker else None, only=judge or (),
        )  # fmt: skip
        logged = {key for run in in_turn for line in run.validations() for key in line}
        spoken = {} if texts_only else {"": load_clips(corpus, TEST_SPLIT)}
        spoken |= {"other texts, ": clips_of_texts(texts)} if texts else {}
        heard = {}
        for where, clips in spoken.items():
            quality = listen(runs, checkpoint, clips, load, chain, at_once)
            judges = [judge.name for judge in quality.panel.judges]
            heard[where] = with_reward(quality, [j for j in judges if f"reward/{j}" in logged])
        if record:
            command = shlex.join(["python", "-m", "research.method_comparison", *sys.argv[1:]])
            typer.echo(write(heard, runs, budget, command))
    except DlpoError as error:
        typer.echo(f"research.method_comparison: {error}", err=True)
        raise typer.Exit(1) from error


def write(
    heard: Mapping[str, Quality],
    runs: Mapping[str, Sequence[Run]],
    budget: Budget,
    command: str,
    out_dir: Path = RECORDS,
) -> Path:
    """Write the record, the tables in Markdown and the curves; `heard` has the test texts first."""
    quality = next(iter(heard.values()))
    baselines = [UNTUNED, *([CONTROL] if CONTROL in runs else [])]
    found: dict[str, Any] = {
        f"{where}from {name}": figures(replace(one, baseline=name))
        for where, one in heard.items()
        for name in baselines
    }
    parts = [f"**{name}**\n\n{differences(part)}" for name, part in found.items()]
    found["difference by seed"] = {method: by_seed(quality, method) for method in runs}
    spent = {m: [run.cost()["seconds_per_update"] for run in seeds] for m, seeds in runs.items()}
    found["seconds per update"] = {
        method: {
            part: float(np.mean([seconds.get(part, 0.0) for seconds in seeds]))
            for part in sorted(set().union(*seeds))
        }
        for method, seeds in spent.items()
    }
    curves = {name: [curve(name, m, seeds) for m, seeds in runs.items()] for name in CURVES}
    raw = samples(quality) | {
        "budget": {method: budget.settings(method) for method in runs},
        "curves": {
            name: {c.label: [c.scores, c.mean, c.low, c.high] for c in drawn}
            for name, drawn in curves.items()
        },
    }
    path = write_record("tuning-comparison", Measured(found, raw), command, out_dir)
    picture = path.with_suffix(".svg")
    picture.write_text(draw_curves(curves), "utf-8")
    parts += [caption(quality), f"![{picture.stem}]({picture.name})", markdown(quality)]
    path.with_suffix(".md").write_text("\n\n".join(parts), "utf-8")
    return path


if __name__ == "__main__":
    typer.run(main)
