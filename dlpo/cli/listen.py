"""Commands of blind listening tests: listen, listen serve, report, export."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dlpo.cli.options import CORPUS, Corpus, command_line, needs

LOCAL = "127.0.0.1"
PORT = 8765
_MAKE = "make"

Folder = Annotated[Path, typer.Argument(help="Of the test, by `dlpo listen A B`.")]
AnswerFiles = Annotated[
    list[Path] | None, typer.Argument(help="Files that raters sent, beside those of the server.")
]
AllRaters = Annotated[
    bool, typer.Option("--all-raters", help="Count who fails the catch trials as well.")
]
Host = Annotated[
    str, typer.Option(help="Address to listen on; 0.0.0.0 lets everybody in who reaches it.")
]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="0 is any free one.")]


class _Listen(TyperGroup):
    """`dlpo listen A B` makes a test: what is no command's name is a system's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_MAKE, *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add the group `listen`."""
    group = typer.Typer(
        cls=_Listen,
        no_args_is_help=True,
        help="Let people compare two systems blindly: `dlpo listen A B`, then report or export."
        " See docs/listen.md.",
    )
    group.command(_MAKE)(make)
    group.command()(serve)
    group.command()(report)
    group.command()(export)
    app.add_typer(group, name="listen")


def make(
    a: Annotated[str, typer.Argument(help="Voice, bundle, checkpoint, folder of wavs; NAME=PATH.")],
    b: Annotated[str, typer.Argument(help='The other one; "recordings" is the speaker herself.')],
    clips: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    texts: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Sentences, one a line, for the corpus."),
    ] = None,
    corpus: Corpus = CORPUS,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Reverse steps; each system's own if left out.")
    ] = None,
    catch: Annotated[
        int | None,
        typer.Option(min=0, help="Catch trials of each kind; one for eight clips if left out."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of the order; secret if left out, as is best: it is the key."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("listening-test"),
    run: Annotated[bool, typer.Option("--serve/--no-serve", help="Then serve it.")] = True,
    host: Host = LOCAL,
    port: Port = PORT,
) -> None:
    """Make a blind test of two systems, and serve it. `dlpo listen A B` is short for this."""
    with needs("bench"):
        from dlpo_bench.listening.making import check_unused, make_test
    with needs("serve"):
        from dlpo_bench.listening.making import choose_clips, open_pair
    from dlpo.cli.options import progress

    check_unused(out)  # before the systems speak for minutes
    pair = open_pair(a, b, steps)
    chosen = choose_clips(pair, corpus, texts, clips)
    systems = {candidate.label: candidate.takes[0] for candidate in pair}
    with progress() as bar:
        task = bar.add_task("speaking", total=2 * len(chosen))
        key = make_test(
            systems, chosen, out, seed=seed, catch=catch, progress=lambda: bar.advance(task)
        )
    kinds = [trial.kind for trial in key.trials]
    typer.echo(
        f"{out}: {kinds.count('pair')} pairs and {len(kinds) - kinds.count('pair')} catch trials\n"
        f"give raters {out / 'page'} (opens from a file, too) and nothing else:"
        f" {out / 'key.json'} says which is which"
    )
    if same := len(chosen) - kinds.count("pair"):
        typer.echo(f"{same} clips were left out: both systems say them alike")
    if run:
        serve(out, host, port)


def serve(folder: Folder, host: Host = LOCAL, port: Port = PORT) -> None:
    """Show a test to raters and store their answers, until Ctrl-C."""
    import asyncio

    with needs("serve"):
        from dlpo_bench.listening import server

    def tell(port: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        typer.echo(f"listening test at http://{shown}:{port}/, answers go to {folder / 'answers'}")
        if host in (LOCAL, "localhost", "::1"):
            typer.echo("only this machine reaches it; --host 0.0.0.0 opens it to its network")
        else:
            typer.echo("whoever reaches this address can listen and answer, without encryption")

    asyncio.run(server.serve(folder, host, port, tell))


def report(
    folder: Folder,
    answers: AnswerFiles = None,
    all_raters: AllRaters = False,
    out: Annotated[
        Path | None, typer.Option(help="Directory for a record, such as benchmarks/records.")
    ] = None,
) -> None:
    """Say which system raters prefer, and how sure that is; writes report.md and report.json."""
    with needs("bench"):
        from dlpo_bench.listening.report import blocks, make_report, write_report
    from dlpo_bench.listening.answers import read_answers, read_key
    from dlpo_bench.record import write_record
    from dlpo_bench.tables import show

    key = read_key(folder)
    result = make_report(key, read_answers(folder, key, answers or ()), trust_all=all_raters)
    show(blocks(result))
    write_report(result, folder)
    if out is not None:
        path = write_record("listening", asdict(result), command_line(), out)
        typer.echo(f"record: {path}")


def export(
    folder: Folder,
    answers: AnswerFiles = None,
    out: Annotated[Path, typer.Option(help="File of pairs; wavs go beside it.")] = Path(
        "pairs.jsonl"
    ),
    all_raters: AllRaters = False,
) -> None:
    """Write decided answers as preference pairs, for `dlpo tune --method dpo`."""
    with needs("bench"):
        from dlpo_bench.listening.making import export_pairs
    from dlpo_bench.listening.answers import read_answers, read_key

    key = read_key(folder)
    collected = read_answers(folder, key, answers or ())
    count = export_pairs(folder, key, collected, out, trust_all=all_raters)
    for problem in collected.problems:
        typer.echo(f"left out: {problem}", err=True)
    typer.echo(f"{out}: {count} pairs")
