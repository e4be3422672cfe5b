"""How a voice sounds with other chains than the one it is served with: steps, schedule, eta.

    python -m research.chains voices/lj/tuned --record

Nothing is taught: the same weights, one thing of the reverse chain changed at a time.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from dlpo.errors import DlpoError, InputError
from dlpo_bench.clips import VALIDATION_SPLIT, load_clips
from dlpo_bench.eval import figures, markdown, samples
from dlpo_bench.judging import Quality, evaluate, load_panel
from dlpo_bench.record import write_record
from dlpo_bench.systems import RECORDED, SpeakingOptions, System, open_systems
from research import RECORDS

STEPS = range(1, 9)
WARPS = (1.0, 1.15, 1.35, 1.5)
ETAS = (0.0, 0.4, 1.0)


@dataclass(frozen=True, slots=True)
class Chain:
    """A reverse chain."""

    label: str
    steps: int
    schedule: str
    eta: float


def chains(served: Chain) -> list[Chain]:
    """The served chain first, then those that differ from it in one thing."""
    others = [replace(served, label=f"{n} steps", steps=n) for n in STEPS]
    others += [
        replace(served, label=f"cosine, warp {warp:g}", schedule=f"cosine:{warp:g}")
        for warp in WARPS
    ]
    others += [replace(served, label=f"eta {eta:g}", eta=eta) for eta in ETAS]
    here = (served.steps, served.schedule, served.eta)
    return [served, *(c for c in others if (c.steps, c.schedule, c.eta) != here)]


def open_chain(checkpoint: Path, chain: Chain | None = None) -> System:
    """A checkpoint with this chain, or with its own.

    Raises:
        InputError: the path is no checkpoint.
        CheckpointError, ConfigError: see `open_systems`.
    """
    speaking = SpeakingOptions()
    label = "as served" if chain is None else chain.label
    if chain is not None:
        speaking = SpeakingOptions((chain.steps,), schedule=chain.schedule, eta=chain.eta)
    (candidate,) = open_systems([f"{label}={checkpoint}"], speaking)
    if candidate.about["kind"] != "checkpoint":
        raise InputError(f"{checkpoint} is no checkpoint; other chains need one, not a bundle")
    return candidate


def listen(
    checkpoint: Path, corpus: Path, weights: Path, clips: int
) -> tuple[Quality, list[Chain]]:
    """Let the panel hear every chain say the first validation sentences."""
    own = open_chain(checkpoint)
    about: dict[str, Any] = dict(own.about)
    served = Chain(own.label, about["steps"], about["schedule"], about["eta"])
    tried = chains(served)
    heard = [RECORDED, own, *(open_chain(checkpoint, chain) for chain in tried[1:])]
    quality = evaluate(
        {candidate.label: candidate.takes for candidate in heard},
        load_clips(corpus, VALIDATION_SPLIT[:clips]),
        load_panel(weights),
        baseline=own.label,
    )
    return quality, tried


def main(
    checkpoint: Annotated[Path, typer.Argument(exists=True, help="Directory of a checkpoint.")],
    corpus: Annotated[Path, typer.Option(exists=True)] = Path("../shared/data/ljspeech"),
    weights: Annotated[Path, typer.Option(help="Weights of the judges.")] = Path(
        "../shared/models"
    ),
    clips: Annotated[int, typer.Option(min=1, help="Validation sentences.")] = 10,
    record: Annotated[bool, typer.Option(help="Write a benchmark record.")] = False,
) -> None:
    """Hear a checkpoint with other chains."""
    try:
        quality, tried = listen(checkpoint, corpus, weights, clips)
        typer.echo(markdown(quality))
        if record:
            typer.echo(write(quality, tried, checkpoint))
    except DlpoError as error:
        typer.echo(f"research.chains: {error}", err=True)
        raise typer.Exit(1) from error


def write(
    quality: Quality, tried: Sequence[Chain], checkpoint: Path, out_dir: Path = RECORDS
) -> Path:
    """Write the record, and its tables in Markdown beside it."""
    command = shlex.join(["python", "-m", "research.chains", *sys.argv[1:]])
    raw = samples(quality) | {
        "checkpoint": str(checkpoint),
        "chains": [asdict(chain) for chain in tried],
    }
    path = write_record("chains", {"heard": figures(quality)}, command, out_dir, samples=raw)
    path.with_suffix(".md").write_text(markdown(quality), "utf-8")
    return path


if __name__ == "__main__":
    typer.run(main)
