"""The command bench learning-curve."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from dlpo.cli.extras import needs
from dlpo.cli.options import HEARD, SPOKEN, Corpus, Record, Weights, command_line
from dlpo.cli.progress import progress


def learning_curve(
    points: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="List of checkpoints and logs.")
    ] = Path("voices/lj/learning-curve.toml"),
    steps: Annotated[
        int | None,
        typer.Option(
            help="Reverse steps; of the embedded voice if left out.", rich_help_panel=SPOKEN
        ),
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="Likewise its noise schedule.", rich_help_panel=SPOKEN)
    ] = None,
    eta: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Likewise: 0 = DDIM, 1 = ancestral.", rich_help_panel=SPOKEN
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Noise seeds a sentence.", rich_help_panel=SPOKEN)
    ] = 1,
    corpus: Corpus = Path("../shared/data/ljspeech"),
    clips: Annotated[
        int, typer.Option(min=1, help="Validation sentences.", rich_help_panel=HEARD)
    ] = 10,
    weights: Weights = Path("../shared/models"),
    known: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Record whose points need not be heard again."
        ),
    ] = None,
    record: Record = False,
) -> None:
    """Hear the checkpoints of a voice's training, and place them by updates and hours.

    The list is TOML: [[point]] with label, checkpoint, log, and after = label of the one before.
    """
    with needs("bench"):
        from dlpo_bench.clips import VALIDATION_SPLIT, load_clips
        from dlpo_bench.judging import load_panel
    with needs("serve"), needs("train"):
        from dlpo_bench.candidates import Speaking
        from dlpo_bench.learning.judged import KIND
        from dlpo_bench.learning.judged import learning_curve as judge
        from dlpo_bench.learning.points import place, read_list
    from dlpo.bundle import Bundle
    from dlpo_bench.record import check_record_directory, read_record, write_record
    from dlpo_bench.report.learning import learning_text
    from dlpo_serving.voices import DEFAULT_VOICE, find_voice

    if record:
        check_record_directory()
    voice = Bundle.load(find_voice(DEFAULT_VOICE)).manifest  # one chain for all, tuned or not
    speaking = Speaking(
        (voice.steps if steps is None else steps,),
        (),
        voice.noise_schedule.name if schedule is None else schedule,
        voice.noise_schedule.eta if eta is None else eta,
        seeds,
    )
    listed = read_list(points)
    spoken = load_clips(corpus, VALIDATION_SPLIT[:clips])
    earlier = None if known is None else read_record(known)
    with TemporaryDirectory() as scratch, progress() as bar:
        placed = place(listed, Path(scratch))
        task = bar.add_task("listening", total=(len(placed) * seeds + 1) * len(spoken))
        found = judge(
            placed, spoken, load_panel(weights), speaking, earlier, lambda: bar.advance(task)
        )
    typer.echo(learning_text(found.figures))
    if record:
        typer.echo(write_record(KIND, found.figures, command_line(), samples=found.samples))
