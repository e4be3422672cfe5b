"""Commands that let judges or people compare systems: eval and listen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dlpo.errors import needs
from dlpo_bench.options import EvaluationOptions, OfCorpus
from dlpo_cli.commands import OfFields, of_fields
from dlpo_cli.options import command_line

_MAKE = "make"
Folder = Annotated[Path, typer.Argument(help="Test folder from `dlpo listen A B`.")]
AnswerFiles = Annotated[
    list[Path] | None, typer.Argument(help="Files that raters sent, or a file of their links.")
]


def register(app: typer.Typer) -> None:
    """Add `eval` and the group `listen`."""
    app.command("eval", cls=OfFields)(of_fields(evaluate))
    group = typer.Typer(
        cls=_Listen,
        no_args_is_help=True,
        help="Compare two systems in a blind test: `dlpo listen A B`, then report or export."
        " See docs/howto/listening-test.md.",
    )
    group.command(_MAKE, cls=OfFields)(of_fields(make))
    group.command()(report)
    group.command()(export)
    app.add_typer(group, name="listen")


def evaluate(
    options: EvaluationOptions,
    out: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel="Output",
            help="Directory to write a record to, such as benchmarks/records.",
        ),
    ] = None,
) -> None:
    """Compare systems with judges, on the same sentences and noise seeds.

    The tables show means with 95 % bootstrap intervals and paired differences from the baseline.
    Higher is better for all judges and the speaker cosine; lower is better for word and character
    errors.
    """
    with needs("serve"), needs("bench"):
        from dlpo_bench.launch import evaluate_systems
        from dlpo_bench.record import check_recordable, write_record

    if out is not None:
        check_recordable(out)
    kind, found = evaluate_systems(options)
    if out is not None:
        typer.echo(write_record(kind, found, command_line(), out))


class _Listen(TyperGroup):
    """`dlpo listen A B` makes a test: a first word that is not a command names a system."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_MAKE, *args]
        return super().parse_args(ctx, args)


def make(
    *,
    a: Annotated[str, typer.Argument(help="Voice, bundle, checkpoint or WAV folder; NAME=PATH.")],
    b: Annotated[str, typer.Argument(help='The other one, or "recordings" for the speaker.')],
    clips: Annotated[int | None, typer.Option(min=1, help="Use only the first N.")] = None,
    texts: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="File of sentences, one per line."),
    ] = None,
    recorded: OfCorpus,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Reverse steps; by default, each system's own.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of the order; random and secret by default: it is the key."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to create.")] = Path("listening-test"),
) -> None:
    """Create a blind test of two systems. `dlpo listen A B` is short for this."""
    with needs("bench"):
        from dlpo_bench.listening.making import check_unused, make_test
    with needs("serve"):
        from dlpo_bench.listening.making import choose_clips, open_pair
    from dlpo_cli.options import progress

    check_unused(out)  # before the systems speak for minutes
    pair = open_pair(a, b, steps)
    chosen = choose_clips(pair, recorded.corpus, texts, clips)
    systems = {candidate.label: candidate.takes[0] for candidate in pair}
    with progress() as bar:
        task = bar.add_task("speaking", total=2 * len(chosen))
        key = make_test(systems, chosen, out, seed=seed, progress=lambda: bar.advance(task))
    typer.echo(
        f"{out}: {len(key.trials)} pairs\n"
        f"give raters only {out / 'page'}, as a folder or on any web server;"
        f" {out / 'key.json'} says which is which"
    )
    if same := len(chosen) - len(key.trials):
        typer.echo(f"{same} clips were left out: both systems speak them identically")


def report(
    folder: Folder,
    answers: AnswerFiles = None,
) -> None:
    """Report which system raters prefer and how surely; writes report.md and report.json."""
    with needs("bench"):
        from dlpo_bench.listening.report import make_report, markdown, write_report
    from dlpo_bench.listening.answers import read_answers, read_key
    from dlpo_bench.tables import show

    key = read_key(folder)
    result = make_report(key, read_answers(answers or (), key))
    show(markdown(result))
    write_report(result, folder)


def export(
    folder: Folder,
    answers: AnswerFiles = None,
    out: Annotated[Path, typer.Option(help="File of pairs; WAVs go beside it.")] = Path(
        "pairs.jsonl"
    ),
) -> None:
    """Write decided answers as preference pairs for `dlpo tune --method dpo`."""
    with needs("bench"):
        from dlpo_bench.listening.making import export_pairs
    from dlpo_bench.listening.answers import read_answers, read_key

    key = read_key(folder)
    collected = read_answers(answers or (), key)
    count = export_pairs(folder, key, collected, out)
    for problem in collected.problems:
        typer.echo(f"left out: {problem}", err=True)
    typer.echo(f"{out}: {count} pairs")
