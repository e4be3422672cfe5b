"""How many scores a method's gradient needs before it points anywhere, and where it points.

    python -m research.gradient_signal voices/mini/checkpoint --data data/heart --record

Every method gives its gradient g_u at the untuned policy on the same U batches of rollouts. What
the g_u share is signal, the rest is noise:

    signal^2 = sum_{u != v} <g_u, g_v> / (U (U - 1))        noise^2 = mean_u |g_u|^2 - signal^2

Both are unbiased, and noise^2 falls as one over the scores, so that both are equal after
n noise^2 / signal^2 scores, n being those of a batch. Where signals are decided, two methods' are
compared by their cosine, from products of different batches alone. Intervals are of a jackknife
over batches.

The policy that acts is still the untuned one. There DPOK's and KLinR's divergences are 0 and their
gradient is DDPO's; DLPO's is alpha times DDPO's plus beta times OnlyDL's or that of recordings; and
RWR's is AWM's plus that of imitating all samples alike, which no reward speaks in.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from dlpo.config.training import TuningConfig
from dlpo.data.dataset import Corpora
from dlpo.rl.assembly import method_of
from dlpo.rl.method import Method, RolloutMethod, UpdateBatch
from dlpo.rl.methods import Plan
from dlpo.rl.objective import Objective
from dlpo.rl.reward_models import RewardSources, load_reward_models, parse_weights
from dlpo.rl.tuner import Tuner
from dlpo_bench.record import Measured, check_recordable, write_record
from dlpo_bench.tables import Table, show
from research import RECORDS, run_study, study_command

KIND = "gradient-signal"
OBJECTIVES: Mapping[str, Objective] = {
    "ddpo": Objective("ddpo"),
    "onlydl": Objective("onlydl", guide_draws=2),
    "awm": Objective("awm", beta=0.0),
    "control": Objective("control"),
}
NORMAL = 1.96  # half of a 95 % interval, in standard errors
Products = NDArray[np.float64]
"""(U, U), inner products of two methods' gradients in each pair of batches"""


@dataclass(frozen=True, slots=True)
class Estimated:
    """A figure with the 95 % interval of a jackknife."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, figure: Callable[[NDArray[np.intp]], float], batches: int) -> Estimated:
        """A figure of all batches; `figure` gives that of some, by their numbers."""
        every = np.arange(batches)
        left_out = np.array([figure(np.delete(every, u)) for u in every])
        spread = math.sqrt((batches - 1) * float(np.var(left_out)))
        value = figure(every)
        return cls(value, value - NORMAL * spread, value + NORMAL * spread)


def shared(products: Products, some: NDArray[np.intp]) -> float:
    """Mean product of different batches: signal^2, or the product of two methods' signals."""
    chosen = products[np.ix_(some, some)]
    count = len(some)
    return float(chosen.sum() - chosen.trace()) / (count * (count - 1))


def signal_share(products: Products) -> Estimated:
    """signal^2 / |g|^2 of one batch: 1 is no noise, 0 is nothing else."""

    def share(some: NDArray[np.intp]) -> float:
        return shared(products, some) / float(np.mean(np.diag(products)[some]))

    return Estimated.of(share, len(products))


def scores_needed(share: float, scores: int) -> float | None:
    """Scores after which signal and noise are equal; None where no signal was seen.

    Args:
        share: `signal_share` of batches of `scores`.
    """
    return scores * (1 - share) / share if share > 0 else None


def cosine(own: Products, other: Products, both: Products) -> Estimated:
    """Of two methods' signals.

    Args:
        both: products of the one's gradients with the other's.
    """

    def of(some: NDArray[np.intp]) -> float:
        return shared(both, some) / math.sqrt(shared(own, some) * shared(other, some))

    return Estimated.of(of, len(both))


def gradient(method: Method[Any], batch: UpdateBatch[Any], learning: Sequence[Tensor]) -> Tensor:
    """(D,) float32: a method's gradient on a batch, of all weights that learn."""
    for weight in learning:
        weight.grad = None
    for part in method.parts(batch, 0):
        method(part).backward()
    found = [w.new_zeros(w.numel()) if w.grad is None else w.grad.flatten() for w in learning]
    return torch.cat(found)


def gradients(
    tuner: Tuner, methods: Mapping[str, Method[Any]], batches: int, learning: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Name -> (U, D): the gradients of all methods, each batch rolled out and judged once."""
    found: dict[str, list[Tensor]] = {name: [] for name in methods}
    for update in range(batches):
        drawn = tuner.collector.collect(update)
        rewards = tuner.collector.judge(drawn)[0]
        for name, method in methods.items():
            samples = method.samples(drawn, rewards) if isinstance(method, RolloutMethod) else []
            found[name].append(gradient(method, UpdateBatch(update, {}, samples), learning))
        typer.echo(f"batch {update + 1} of {batches}", err=True)
    return {name: torch.stack(rows) for name, rows in found.items()}


def compare(found: Mapping[str, Tensor], scores: int) -> dict[str, dict[str, Any]]:
    """Each method's norm, signal and needs, and the cosine of its signal with the others'.

    Args:
        found: name -> (U, D), see `gradients`.
        scores: of a batch.
    """
    products = {
        (a, b): (found[a].double() @ found[b].double().T).numpy() for a in found for b in found
    }
    shares = {name: signal_share(products[name, name]) for name in found}
    decided = [name for name in found if shares[name].low > 0]
    figures: dict[str, dict[str, Any]] = {}
    for name in found:
        own, share = products[name, name], shares[name]
        others = [other for other in decided if name in decided and other != name]
        figures[name] = {
            "norm": float(np.sqrt(np.diag(own)).mean()),
            "signal share": asdict(share),
            "scores needed": scores_needed(share.value, scores) if name in decided else None,
            "scores needed, at least": scores_needed(share.high, scores),
            "cosine": {
                other: asdict(cosine(own, products[other, other], products[name, other]))
                for other in others
            },
        }
    return figures


def rows_of(figures: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Rows of the table."""
    rows = []
    for name, one in figures.items():
        share, needed, least = (
            one[key] for key in ("signal share", "scores needed", "scores needed, at least")
        )
        rows.append([
            name, f"{one['norm']:.3g}", f"{100 * share['value']:.1f}",
            f"{100 * share['low']:.1f} to {100 * share['high']:.1f}",
            f"{needed:.0f}" if needed is not None else f"> {least:.0f}" if least else "unknown",
            ", ".join(f"{other} {c['value']:+.2f}" for other, c in one["cosine"].items()),
        ])  # fmt: skip
    return rows


def main(
    checkpoint: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    data: Annotated[Path, typer.Option(exists=True, help="Dataset of the voice.")],
    weights: Annotated[Path, typer.Option(help="Weights of the judges.")] = Path(
        "../shared/models"
    ),
    reward: Annotated[str, typer.Option(help="See `dlpo tune`.")] = "distillmos=1,dnsmos=1",
    method: Annotated[
        list[str] | None,
        typer.Option(help="Repeatable; ddpo, onlydl, awm and control if left out."),
    ] = None,
    steps: Annotated[int, typer.Option(min=2)] = 10,
    schedule: str = "linear",
    eta: Annotated[float, typer.Option(min=0, max=1)] = 1.0,
    batches: Annotated[int, typer.Option(min=3)] = 12,
    sentences: Annotated[int, typer.Option(min=1, help="Of a batch.")] = 4,
    group: Annotated[int, typer.Option(min=2, help="Seeds of each.")] = 4,
    longest_s: Annotated[float, typer.Option(help="Longest prompt.")] = 1.0,
    record: Annotated[bool, typer.Option(help="Write a record.")] = False,
) -> None:
    """Measure signal and noise of each method's gradient at the untuned checkpoint."""
    if unknown := set(method or ()) - set(OBJECTIVES):
        raise typer.BadParameter(f"{unknown}; expected some of {', '.join(OBJECTIVES)}")
    if record:
        check_recordable(RECORDS)
    dataset = Corpora([data])
    plan = Plan(Objective("ddpo"), parse_weights(reward), schedule, steps, eta)
    settings = TuningConfig(
        sentences=sentences, group=group, rows=group, window_batch=sentences * group,
        longest_s=longest_s, augment=True, validation_sentences=1, guard=False,
    )  # fmt: skip
    models = load_reward_models(dataset, plan, settings, RewardSources(models=weights))
    with tempfile.TemporaryDirectory() as scratch:
        tuner = Tuner(checkpoint, dataset, Path(scratch) / "run", plan, settings, models)
        learning = [w for w in tuner.collector.policy.model.parameters() if w.requires_grad]
        methods = {
            name: method_of(
                replace(plan, objective=OBJECTIVES[name]), tuner.collector, tuner.reference,
                learning, dataset, models, (),
            )
            for name in method or OBJECTIVES
        }  # fmt: skip
        figures = compare(gradients(tuner, methods, batches, learning), sentences * group)
    show([Table(["method", "norm", "signal, %", "95 %", "scores", "cosines"], rows_of(figures))])
    if record:
        found = {
            "checkpoint_sha256": tuner.base.sha256,
            "chain": {"steps": steps, "schedule": schedule, "eta": eta},
            "scores of a batch": sentences * group,
            "methods": figures,
        }
        typer.echo(write_record(KIND, Measured(found, {}), study_command(KIND), RECORDS))


if __name__ == "__main__":
    run_study(main)
