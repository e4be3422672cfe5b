"""Commands that let judges or people compare systems: eval and listen."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from dlpo.cli.options import (
    CORPUS,
    WEIGHTS,
    Corpus,
    Eta,
    Schedule,
    Utmos,
    Weights,
    command_line,
    of_judges,
    of_speech,
)
from dlpo.errors import needs

_kept = partial(typer.Option, rich_help_panel="What is kept")
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


def register(app: typer.Typer) -> None:
    """Add `eval` and the group `listen`."""
    app.command("eval")(evaluate)
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


def evaluate(
    systems: Annotated[
        list[str] | None,
        typer.Argument(
            help="Voices, bundles, checkpoints or directories of wavs; NAME=PATH gives one a name."
            " The embedded voice if left out."
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Name of the system that the others are compared with; the first if left out."
        ),
    ] = None,
    steps: Annotated[
        list[int] | None,
        of_speech(
            help="Number of reverse steps, repeatable. Each system's own number if left out."
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        of_speech(help="Precision of bundles, fp32 or int8, repeatable. Their own if left out."),
    ] = None,
    schedule: Schedule = None,
    eta: Eta = None,
    seeds: Annotated[
        int,
        of_speech(
            min=1, help="Say each sentence with so many noise seeds, and average their scores."
        ),
    ] = 1,
    corpus: Corpus = CORPUS,
    split: Annotated[
        Literal["test", "validation"], of_judges(help="Which sentences of the corpus are said.")
    ] = "test",
    texts: Annotated[
        Path | None,
        of_judges(
            exists=True,
            dir_okay=False,
            help="Say the lines of this file instead, which have no recordings.",
        ),
    ] = None,
    clips: Annotated[
        int | None, of_judges(min=1, help="Say only the first so many sentences.")
    ] = None,
    recordings: Annotated[bool, of_judges(help="Judge the speaker's recordings too.")] = True,
    match: Annotated[
        bool, of_judges(help="Give every clip the level of its recording and equal ends.")
    ] = True,
    weights: Weights = WEIGHTS,
    whisper: Annotated[
        list[Path] | None,
        of_judges(
            help="Directory of a Whisper checkpoint, which adds its word and character errors. This"
            " is repeatable."
        ),
    ] = None,
    speaker: Annotated[
        Path | None,
        of_judges(
            help="File of the speaker encoder's weights, which adds the likeness to the speaker of"
            " the corpus."
        ),
    ] = None,
    utmos: Utmos = None,
    wavs: Annotated[
        Path | None, _kept(help="Directory to write what the judges heard to, as SYSTEM/CLIP.wav.")
    ] = None,
    out: Annotated[
        Path | None, _kept(help="Directory to write a record to, such as benchmarks/records.")
    ] = None,
) -> None:
    """Let judges compare systems on the same sentences and noise seeds.

    The tables have means with 95 % bootstrap intervals, and paired differences from the baseline.
    Higher is better for NISQA-TTS, DNSMOS P.808, NISQA, DistillMOS and the speaker cosine; lower is
    better for word and character errors.
    """
    with needs("bench"):
        from dlpo_bench.clips import SPLITS, clips_of_texts, load_clips
        from dlpo_bench.eval import compare, figures, samples
        from dlpo_bench.judging import load_panel
        from dlpo_bench.record import Measured, check_recordable, write_record
    with needs("serve"):
        from dlpo_bench.systems import (
            RECORDED,
            SpeakingOptions,
            names_in_folders,
            only_bundle,
            open_systems,
        )

    if out is not None:
        check_recordable(out)
    speaking = SpeakingOptions(tuple(steps or ()), tuple(precision or ()), schedule, eta, seeds)
    candidates = open_systems(systems or ["lj"], speaking)
    baseline = baseline or candidates[0].label
    chained = (schedule, eta) != (None, None)
    if chained and all(candidate.about["kind"] != "checkpoint" for candidate in candidates):
        raise typer.BadParameter(
            "only checkpoints take another chain, a bundle's is part of its graphs",
            param_hint="--schedule, --eta",
        )
    if recordings and texts is None:
        candidates = [RECORDED, *candidates]
    lines = clips_of_texts(texts) if texts is not None else []
    names = [clip.clip_id for clip in lines] or SPLITS[split]
    chosen = names_in_folders(candidates, names)[:clips]
    spoken = [clip for clip in lines if clip.clip_id in chosen] or load_clips(corpus, chosen)
    quality = compare(
        candidates,
        spoken,
        load_panel(weights, whisper or (), utmos, (speaker, corpus) if speaker else None),
        baseline=baseline,
        match=match,
        wavs=wavs,
    )
    if out is not None:
        about = {candidate.label: candidate.about for candidate in candidates}
        sha256 = only_bundle(about.values())
        found = Measured(figures(quality), samples(quality, about), bundle_sha256=sha256)
        typer.echo(write_record("quality", found, command_line(), out))


class _Listen(TyperGroup):
    """`dlpo listen A B` makes a test: what is no command's name is a system's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_MAKE, *args]
        return super().parse_args(ctx, args)


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
) -> None:
    """Say which system raters prefer, and how sure that is; writes report.md and report.json."""
    with needs("bench"):
        from dlpo_bench.listening.report import blocks, make_report, write_report
    from dlpo_bench.listening.answers import read_answers, read_key
    from dlpo_bench.tables import show

    key = read_key(folder)
    result = make_report(key, read_answers(folder, key, answers or ()), trust_all=all_raters)
    show(blocks(result))
    write_report(result, folder)


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
