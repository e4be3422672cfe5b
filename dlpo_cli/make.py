"""Commands that make a voice: prepare, train, schedule, tune."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dlpo.data.options import CorpusSpeaker, FeatureSet
from dlpo.errors import UsageError, needs
from dlpo.frame_grid import PUBLISHED_GRID, FrameGrid
from dlpo.rl.options import TuneOptions
from dlpo_cli.commands import Given, OfFields, of_fields
from dlpo_cli.demo import OUT as DEMO_OUT
from dlpo_cli.demo import check_only_demo, run_demo
from dlpo_cli.options import (
    CheckpointDir,
    DatasetDir,
    RunDir,
    Settings,
    counted,
    make_shown,
    parse_data,
    parse_settings,
    progress,
    run_shown,
)
from dlpo_cli.tuning import report_tuning, show_probe

Data = Annotated[
    list[str],
    typer.Option(
        metavar="DIR[=SHARE]",
        help="Dataset directory from `dlpo prepare`; repeatable, except to train mini, base and"
        " large. SHARE weights how much is drawn from each.",
    ),
]


def register(app: typer.Typer) -> None:
    for command in (prepare, train, tune, schedule):
        app.command(cls=OfFields)(of_fields(command))
    app.command("import")(import_checkpoint)


def prepare(
    *,
    corpus: Annotated[
        Literal["ljspeech", "recordings"],
        typer.Argument(
            help="ljspeech: metadata.csv, wavs/ at --sample-rate, and alignments. recordings: audio"
            " files at any sample rate with their texts, which dlpo checks, levels and aligns."
        ),
    ],
    directory: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Corpus directory.")
    ],
    out: Annotated[Path, typer.Option(help="Dataset directory to write.")],
    alignments: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            help="Phoneme alignments of ljspeech: TSV (also .xz) or a directory of MFA TextGrids.",
        ),
    ] = None,
    speaker: Annotated[dict[str, Any], Given(CorpusSpeaker)],
    sample_rate: Annotated[
        int, typer.Option(min=8_000, max=48_000, help="Hz, of the dataset.")
    ] = PUBLISHED_GRID.sample_rate_hz,
    frame: Annotated[
        int,
        typer.Option(min=60, max=2_400, help="Samples of a frame: the model.hop_length to train."),
    ] = PUBLISHED_GRID.hop_length,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that measure clips.")] = 1,
    unheard: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="File of ids of clips whose sound is not used, only text and timing.",
        ),
    ] = None,
    features: Annotated[dict[str, Any], Given(FeatureSet)],
) -> None:
    """Turn a corpus into a dataset for `dlpo train`.

    Each clip's audio, durations, F0, energy, log-mel and source phase are measured once. After an
    interruption, the same command resumes; recordings are aligned again.
    """
    from dlpo.data.launch import DatasetOrder
    from dlpo.data.ljspeech import read_ids

    if (corpus == "recordings") == (alignments is not None):
        raise typer.BadParameter(
            "required for ljspeech, not allowed for recordings, which dlpo aligns itself",
            param_hint="--alignments",
        )
    if features.get("without_sound") and corpus == "recordings":
        raise typer.BadParameter("recordings have no folder f0", param_hint="--without-sound")
    if "name" not in speaker and corpus == "recordings":
        raise typer.BadParameter("recordings need a voice name", param_hint="--speaker")
    if unheard is not None:
        features["unheard"] = read_ids(unheard)
    measured = FeatureSet(FrameGrid(sample_rate, frame), **features)
    voice = CorpusSpeaker(**speaker)
    make_shown(DatasetOrder(directory, out, alignments, voice, measured, jobs))


def train(
    model: Annotated[
        Literal["spectral", "contour", "mini", "base", "large"],
        typer.Argument(
            help="Model to train. spectral: one or more voices for a CPU; --set part=acoustics,"
            " timing, denoiser, joint or sound selects the part to train. contour: gives the"
            " voices of --init their own pitch. base, large: WaveGrad 2 as published; mini: the"
            " same in small. See docs/train-base.md."
        ),
    ],
    data: Data,
    out: RunDir,
    init: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            help="Checkpoint to start from; part=joint takes one for acoustics, one for the"
            " denoiser and one for the contour, in this order.",
        ),
    ] = None,
    settings: Settings = None,
) -> None:
    """Train a model by likelihood.

    Ctrl-C saves the run; the same command resumes it. --set model.width=128, for
    instance, sizes a model that starts from scratch. On several GPUs, run:
    accelerate launch "$(command -v dlpo)" train ...
    """
    with needs("train"):
        from dlpo.training.launch import open_training

    given = parse_settings(settings or [])
    run = open_training(model, parse_data(data), out, init or [], given)
    typer.echo(run_shown(run, "loss"))


def import_checkpoint(
    layout: Annotated[
        Literal["wavegrad2"],
        typer.Argument(help="wavegrad2: Base or Large of maum-ai/wavegrad2, for LJSpeech."),
    ],
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="The published checkpoint.")
    ],
    out: Annotated[Path, typer.Option(help="Checkpoint directory to write.")],
) -> None:
    """Turn a published checkpoint into one for `dlpo eval`, `tune` and `export`.

    Nothing in the file is executed.
    """
    with needs("train"):
        from dlpo.training.published import import_wavegrad2

    config = import_wavegrad2(file, out)
    typer.echo(f"{out}: {layout} {config.model}")


def schedule(
    checkpoint: CheckpointDir,
    data: DatasetDir,
    steps: Annotated[int, typer.Option(min=1, max=16, help="Reverse steps, N.")] = 4,
    clips: Annotated[int, typer.Option(min=1, help="Validation recordings to resynthesize.")] = 4,
    name: Annotated[
        list[str] | None,
        typer.Option("--schedule", help="Schedule to try instead of the usual ones; repeatable."),
    ] = None,
    eta: Annotated[
        list[float] | None, typer.Option(min=0, max=1, help="eta to try instead; repeatable.")
    ] = None,
    gains: Annotated[
        bool, typer.Option("--gains", help="Then scale what the first steps of the best estimate.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Checkpoint to write, which speaks by the best chain.")
    ] = None,
) -> None:
    """Find the noise schedule and eta that best resynthesize validation recordings in N steps.

    Pass the name and eta in the first line to `dlpo export --schedule NAME --eta ETA`, or --out.
    """
    with needs("train"):
        import torch

        from dlpo.checkpoint import load_checkpoint, save_checkpoint
        from dlpo.data.dataset import Corpora
        from dlpo.training.batches import Batches
        from dlpo.training.synthesis import search_gains, search_schedules

    loaded = load_checkpoint(checkpoint)
    model = loaded.model
    batches = Batches(Corpora([data]), "validation", 0, 0, model.config)
    with progress() as bar:
        count = counted(bar, "resynthesizing recordings")
        trials = search_schedules(model, batches, steps, clips, count, name or (), eta or ())
        if gains:
            count = counted(bar, "scaling steps")
            trials.insert(0, search_gains(model, batches, steps, trials[0], clips, count))
    typer.echo("schedule\teta\tdistance")
    for trial in trials:
        typer.echo(f"{trial.name}\t{trial.eta}\t{trial.distance:.4f}")
    if out is not None:
        provenance = replace(loaded.provenance, searched=(trials[0].name, steps, trials[0].eta))
        save_checkpoint(out, model.state_dict(), loaded.config, provenance, torch.float16)


def tune(
    *,
    context: typer.Context,
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            file_okay=False,
            help="Checkpoint directory from `dlpo train`; required, except with --demo.",
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR[=SHARE]",
            help="Dataset directory from `dlpo prepare`; repeatable. SHARE weights how much is"
            " drawn from each. Required, except with --demo.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Run directory; an existing run in it is resumed. Required, except with --demo,"
            " which writes to dlpo-demo by default."
        ),
    ] = None,
    options: Annotated[dict[str, Any], Given(TuneOptions, defaults=True)],
    settings: Settings = None,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Tune nothing: print whether the reward prefers right contours to wrong ones, and"
            " whether the best of eight by it raises the held-out judges.",
        ),
    ] = False,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo",
            help="Teach two untuned voices of dlpo-checkpoints to ask, without a corpus, in"
            " minutes, and write a page to hear before and after. Takes no other option but --out.",
        ),
    ] = False,
) -> None:
    """Tune a checkpoint by reward, or by listeners' preferences.

    Judges outside the reward monitor the run. At the end, the path of the best checkpoint is
    printed. Ctrl-C saves the run, and the same command resumes it. To tune on several GPUs, run:
    accelerate launch "$(command -v dlpo)" tune ...
    """
    if demo:
        check_only_demo(context)
        return run_demo(out or DEMO_OUT)
    if checkpoint is None or not data or out is None:
        missing = {"CHECKPOINT": checkpoint, "--data": data, "--out": out}
        absent = ", ".join(name for name, value in missing.items() if not value)
        raise UsageError(f"{absent}: missing; only --demo does without")
    with needs("train"):
        from dlpo.rl.launch import open_tuning

    options |= {"checkpoint": checkpoint, "data": parse_data(data), "out": out}
    asked = TuneOptions(**options, settings=parse_settings(settings or []))
    if probe:
        return show_probe(asked)
    run = open_tuning(asked)
    best = run_shown(run, "reward", "kl_of_update", "preference")
    if run.accelerator.is_main_process:
        report_tuning(run)
        typer.echo(best)
