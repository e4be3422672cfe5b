"""`dlpo tune`: a checkpoint and a judge in, a checkpoint that sounds better out."""

from __future__ import annotations

import difflib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from dlpo.cli.options import (
    WEIGHTS,
    CheckpointDir,
    DatasetDir,
    RunDir,
    Settings,
    Utmos,
    Weights,
    needs,
    parse_settings,
    run_shown,
)
from dlpo.errors import ConfigError

if TYPE_CHECKING:
    from dlpo.checkpoint import Provenance
    from dlpo.rl.tuner import Tuner


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(tune)


def tune(
    checkpoint: CheckpointDir,
    data: DatasetDir,
    out: RunDir,
    method: Annotated[
        Literal["rwr", "ddpo", "dpok", "klinr", "onlydl", "dlpo", "control", "direct", "dpo"],
        typer.Option(help="What is minimized; docs/tuning.md explains each."),
    ] = "dlpo",
    explore: Annotated[
        Literal["chain", "weights"],
        typer.Option(help="Whether dlpo perturbs the noise of the chain or the weights."),
    ] = "chain",
    reward: Annotated[
        str,
        typer.Option(help="Judges and their weights, such as distillmos=1,high_band=0.3."),
    ] = "distillmos",
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, max=8, help="Number of reverse steps, as served. The voice's own if left out."
        ),
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="Name of the noise schedule. The voice's own if left out.")
    ] = None,
    eta: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="0 is DDIM, 1 is ancestral. The voice's own if left out."),
    ] = None,
    alpha: Annotated[float, typer.Option(min=0, help="Weight of the reward.")] = 1.0,
    beta: Annotated[float, typer.Option(min=0, help="Weight of the diffusion loss.")] = 1.0,
    guide: Annotated[
        Literal["return", "recordings", "both"],
        typer.Option(
            help="Whether the diffusion loss is part of the return, is learned from recordings, or"
            " both."
        ),
    ] = "return",
    pairs: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="File of preference pairs that `dlpo listen export` wrote, for dpo. Without it"
            " dpo prefers what the reward does.",
        ),
    ] = None,
    guard: Annotated[
        Literal["on", "off"],
        typer.Option(help="Whether KL, held-out judges or word errors may end the run."),
    ] = "on",
    weights: Weights = WEIGHTS,
    utmos: Utmos = None,
    settings: Settings = None,
) -> None:
    """Tune a checkpoint by reinforcement learning.

    Judges that are no part of the reward watch the run. At the end the path of the best checkpoint
    is printed. Ctrl-C saves the run, and the same command resumes it. To tune on several GPUs, run:
    accelerate launch "$(command -v dlpo)" tune ...
    """
    with needs("train"):
        from dlpo.checkpoint import load_checkpoint
        from dlpo.config import TuningConfig, from_dict
        from dlpo.data.preferences import read_pairs
        from dlpo.rl.methods import Objective, Plan
        from dlpo.rl.preferences import pairs_sha256
        from dlpo.rl.reward_models import RewardSources, load_reward_models, parse_weights
        from dlpo.rl.tuner import Tuner

    of_run, of_method = _split(parse_settings(settings or []))
    of_method |= {"method": method, "alpha": alpha, "beta": beta, "guide": guide}
    of_method |= {"explore": explore}
    own_chain = _chain_of(load_checkpoint(checkpoint).provenance)
    preferences = [] if pairs is None else read_pairs(pairs)
    plan = Plan(
        from_dict(Objective, of_method),
        parse_weights(reward),
        own_chain[0] if schedule is None else schedule,
        own_chain[1] if steps is None else steps,
        own_chain[2] if eta is None else eta,
        None if pairs is None else pairs_sha256(pairs, preferences),
    )
    config = from_dict(TuningConfig, {"guard": guard == "on"} | of_run)
    sources = RewardSources(weights, utmos)
    models = load_reward_models(checkpoint, data, plan, config, sources)
    tuner = Tuner(checkpoint, data, out, plan, config, models, preferences)
    best = run_shown(tuner, "reward", "kl_of_update")
    if tuner.accelerator.is_main_process:
        _report(tuner)
        typer.echo(best)


def _split(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the run, and those of the method that have no option of their own.

    Raises:
        ConfigError: a key is neither.
    """
    from dlpo.config import TuningConfig
    from dlpo.rl.methods import Objective

    options = {"method", "explore", "alpha", "beta", "guide"}
    of_method = {f.name for f in fields(Objective)} - options
    known = {f.name for f in fields(TuningConfig)} - {"guard"} | of_method
    for key in values:
        if key not in known:
            closest = difflib.get_close_matches(key, sorted(known), n=1)
            hint = f"did you mean {closest[0]!r}?" if closest else f"known: {sorted(known)}"
            raise ConfigError(f"--set has the unknown key {key!r}; {hint}")
    chosen = {key: value for key, value in values.items() if key in of_method}
    return {key: value for key, value in values.items() if key not in of_method}, chosen


def _chain_of(provenance: Provenance) -> tuple[str, int, float]:
    """Schedule, steps and eta that a checkpoint was tuned for, else those of the embedded voice."""
    if provenance.tuned is not None:
        tuned = provenance.tuned
        return tuned.schedule, tuned.steps, tuned.eta
    import dlpo
    from dlpo.bundle import Bundle

    manifest = Bundle.load(Path(dlpo.__file__).parent / "voices" / "lj").manifest
    return manifest.noise_schedule.name, manifest.steps, manifest.noise_schedule.eta


def _report(tuner: Tuner) -> None:
    """What came of it, on stderr: why it stopped, before and after, where the time went."""
    if tuner.stopped is not None:
        typer.echo(f"the guard ended the run at update {tuner.update}: {tuner.stopped}", err=True)
    if tuner.best is None or tuner.baseline is None or tuner.last is None:
        typer.echo("no measurement was within the guard's limits: there is no best", err=True)
        return
    before, best, last = tuner.baseline.figures(), tuner.best["figures"], tuner.last.figures()
    table = Table("", "untuned", f"best, update {tuner.best['update']}", f"update {tuner.update}")
    for name in before:
        table.add_row(name, *(f"{panel[name]:.4f}" for panel in (before, best, last)))
    Console(stderr=True).print(table)
    spent = ", ".join(
        f"{name} {seconds:.1f}" for name, seconds in tuner.cost()["seconds_per_update"].items()
    )
    typer.echo(f"seconds an update: {spent}", err=True)
