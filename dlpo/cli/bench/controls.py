"""The command bench controls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlpo.cli.options import JUDGES, SPEECH, Corpus, Record, command_line, needs, progress


def controls(
    voices: Annotated[
        list[str] | None,
        typer.Argument(help="Voices, bundles or checkpoints; NAME=PATH gives one a name."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Noise seeds a sentence.", rich_help_panel=SPEECH)
    ] = 1,
    corpus: Corpus = Path("../shared/data/ljspeech"),
    clips: Annotated[int, typer.Option(min=1, help="Test sentences.", rich_help_panel=JUDGES)] = 20,
    record: Record = False,
) -> None:
    """Check that speed and pitch do what they say, and that words stay as clear.

    Beside each voice, the speaker's recordings at the same settings by a plain vocoder.
    """
    with needs("bench"):
        from dlpo.judges.pocketsphinx import PocketSphinx
        from dlpo_bench.clips import TEST_SPLIT, load_clips
        from dlpo_bench.judging import WORD_ERRORS, Panel
    with needs("serve"):
        from dlpo_bench.controls import CEILING, measure_controls, one_at_a_time
        from dlpo_bench.systems import Speaking, only_bundle, open_speakers
    from dlpo_bench.record import check_recordable, write_record
    from dlpo_bench.report.quality import controls_blocks
    from dlpo_bench.tables import show

    if record:
        check_recordable()
    speakers = open_speakers(voices or ["lj"], Speaking(seeds=seeds))
    spoken = load_clips(corpus, TEST_SPLIT[:clips])
    settings = one_at_a_time()
    panel = Panel([], {WORD_ERRORS: PocketSphinx()}, {})
    with progress() as bar:
        families = len(speakers) * seeds + 1
        task = bar.add_task("listening", total=families * len(settings) * len(spoken))
        found = measure_controls(
            speakers, spoken, settings, panel, seeds=seeds, on_clip=lambda: bar.advance(task)
        )
    if CEILING not in found.figures["systems"]:
        typer.echo(f"no recordings in {corpus / 'wavs'}: no ceiling", err=True)
    show(controls_blocks(found.figures))
    if record:
        path = write_record(
            "controls", found.figures, command_line(), samples=found.samples,
            bundle_sha256=only_bundle(s.about for s in speakers),
        )  # fmt: skip
        typer.echo(path)
