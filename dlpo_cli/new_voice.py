"""`dlpo new-voice`: from a folder of recordings to a bundle that speaks with their voice."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlpo.errors import DataError, InputError, check_installed, needs
from dlpo.repository import from_repository
from dlpo_cli.options import Phases, RunDir, Settings, make_shown, parse_settings, run_shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlpo.checkpoint import Provenance
    from dlpo.data.dataset import Corpora
    from dlpo.frame_grid import FrameGrid

CHECKPOINT = Path("voices/spectral/tuned")  # of the repository, or of dlpo-checkpoints
LEAST_S = 120.0  # of speech to learn from
PLAYED = 6  # held-out recordings on the page
ADAPTERS = {
    "part": "adapters", "updates": 2_400, "learning_rate": 2e-3, "warmup": 30, "decay_from": 0.4,
    "timing_batch": 2, "ema_decay": 0.99, "log_every": 20, "validate_every": 200, "save_every": 100,
}  # fmt: skip
DENOISER = {  # this training alone dulls the voice, hence the interpolation
    "part": "joint", "updates": 250, "learning_rate": 3e-4, "warmup": 20, "decay_from": 0.4,
    "ema_decay": 0.98, "interpolation": 0.3, "log_every": 10, "validate_every": 125,
    "save_every": 50,
}  # fmt: skip
TEXTS = (
    "The train to the coast leaves at ten past four, from platform nine.",
    "Would you like me to read that again, or shall we go on?",
    "Please hold the line; all of our agents are busy, and your call is the next one.",
)


def register(app: typer.Typer) -> None:
    app.command("new-voice")(new_voice)


def new_voice(
    recordings: Annotated[
        Path,
        typer.Argument(
            exists=True,
            file_okay=False,
            help="Directory of one speaker's recordings, a sentence or two each, with their texts"
            " in metadata.csv (lines of NAME|TEXT) or in NAME.txt beside each recording.",
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the voice.")],
    consent: Annotated[
        str,
        typer.Option(
            prompt="Whose voice is it, and how did they agree to this use",
            help="Whose voice it is and how they agreed to this use; stored in the bundle.",
        ),
    ],
    out: RunDir,
    init: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            help="Checkpoint to adapt; by default, the voices of dlpo-checkpoints.",
        ),
    ] = None,
    settings: Settings = None,
) -> None:
    """Teach the shipped model a voice from about ten minutes of recordings.

    Checks and aligns the recordings, trains adapters and the denoiser, and writes to OUT the bundle
    NAME.dlpo and a page that plays held-out recordings beside the voice. After an interruption, the
    same command resumes. --set applies to both trainings, of the adapters and of the denoiser.
    """
    consent = " ".join(consent.split())
    if not consent:
        raise InputError("consent is empty; say whose voice it is and how they agreed to this use")
    changed = parse_settings(settings or [])
    if "part" in changed:
        raise InputError("--set part: adapters are always trained, then the denoiser; leave it out")
    start = init or from_repository(CHECKPOINT)
    check_installed("serve", "train", "export", "bench")  # before torch, which takes seconds
    from dlpo.data.recordings import AUDIO, find_recordings

    if not (found := find_recordings(recordings)):
        raise DataError(
            f"{recordings}: no recordings; expected files of {', '.join(sorted(AUDIO))}"
        )
    phases = Phases(5)
    phases.begin("loading PyTorch and the checkpoint")
    _learn(recordings, len(found), name, consent, out, start, changed, phases)


def _learn(
    recordings: Path, clips: int, name: str, consent: str, out: Path, start: Path,
    changed: dict[str, Any], phases: Phases,
) -> None:  # fmt: skip
    with needs("train"):
        from dlpo.checkpoint import load_checkpoint
        from dlpo.config.models import SPECTRAL, SpectralConfig
        from dlpo.config.strict import from_dict
        from dlpo.config.training import SpectralTraining
        from dlpo.data.ljspeech import check_speaker
        from dlpo.training.spectral_trainer import SpectralTrainer

    check_speaker(name)
    loaded = load_checkpoint(start)
    if not isinstance(loaded.config, SpectralConfig):
        raise InputError(f"{start} is {loaded.config.model!r}; expected a spectral checkpoint")
    if name in (taken := loaded.config.speakers):
        raise InputError(f"--name {name}: taken, {start} already has {', '.join(taken)}")
    trainings = [from_dict(SpectralTraining, one | changed) for one in (ADAPTERS, DENOISER)]
    phases.begin(f"checking and aligning {clips} recordings")
    corpora = _prepared(recordings, name, consent, out, loaded.config.grid)
    inits = [start]
    for training, what in zip(trainings, ("the voice's adapters", "the denoiser"), strict=True):
        phases.begin(f"training {what}, {training.updates} updates")
        run = out / training.part
        trainer = SpectralTrainer(SPECTRAL, training, [out / "data"], [1.0], run, inits)
        checkpoint = run_shown(trainer, "loss")
        inits = [checkpoint, checkpoint]
    phases.begin("exporting the bundle, with its parity checks, and speaking")
    bundle, speakers = out / f"{name}.dlpo", trainer.config.speakers
    typer.echo(_exported(checkpoint, bundle, loaded.provenance, name, speakers))
    typer.echo(f"open {write_page(out, name, bundle, corpora)}")


def _prepared(recordings: Path, name: str, consent: str, out: Path, grid: FrameGrid) -> Corpora:
    """The dataset in `out`, which is made unless it holds these recordings.

    Raises:
        InputError: `out` has learned from others.
        DataError: they are too few.
    """
    from dlpo.data.dataset import Corpora
    from dlpo.data.launch import DatasetOrder
    from dlpo.data.options import CorpusSpeaker, FeatureSet
    from dlpo.data.recordings import MARK, fingerprint

    data, mark = out / "data", out / MARK
    origin = f"{name} (consent: {consent.replace(';', ',')})"
    asked = f"{fingerprint(recordings)} {origin}"
    if not mark.exists() or mark.read_text("utf-8") != asked:
        if (out / "adapters").exists():
            raise InputError(f"{out} has other recordings or consent; give another --out")
        speaker, jobs = CorpusSpeaker(name, origin=origin), os.cpu_count() or 1
        features = FeatureSet(grid)
        make_shown(DatasetOrder(recordings, data, None, speaker, features, jobs))
        mark.write_text(asked, "utf-8")
    corpora = Corpora([data])
    frames = sum(entry.frames for entry in corpora.entries if entry.split == "train")
    if (learned_s := frames / corpora.grid.frames_per_s) < LEAST_S:
        raise DataError(
            f"{recordings}: {learned_s:.0f} s to train on; expected at least {LEAST_S:.0f} s,"
            " better ten minutes; add recordings, or fix those that were left out"
        )
    return corpora


def _exported(
    checkpoint: Path, bundle: Path, provenance: Provenance, name: str, speakers: Sequence[str]
) -> Path:
    """The bundle, whose first voice is the new one."""
    with needs("export"):
        from dlpo_export.options import ExportOptions
        from dlpo_export.pipeline import export_bundle

    schedule, steps, eta = provenance.chain
    voices = [name, *(s for s in speakers if s != name)]
    options = ExportOptions(
        steps=(steps,), default_steps=steps, schedule=schedule, eta=eta,
        voices={speaker: speaker for speaker in voices},
    )  # fmt: skip
    return export_bundle(checkpoint, bundle, options)


def write_page(out: Path, name: str, bundle: Path, corpora: Corpora) -> Path:
    """Write `out`/index.html: held-out recordings beside the voice, and other texts."""
    from dlpo.audio import write_wav
    from dlpo.data.recordings import MARK
    from dlpo_serving.request import SpeechRequest
    from dlpo_serving.voices import open_voice

    synthesizer = open_voice(bundle)
    numbers = [i for split in ("test", "validation") for i in corpora.split(split, with_audio=True)]
    spoken = [(corpora.entries[i].text, corpora[i].waveform) for i in numbers[:PLAYED]]
    (out / "page").mkdir(exist_ok=True)
    (out / "page" / MARK).touch()
    rows = []
    for number, (text, recording) in enumerate([*spoken, *((text, None) for text in TEXTS)]):
        cells = []
        for kind, sound in (
            ("recording", recording),
            ("voice", synthesizer.speak(SpeechRequest(text))),
        ):
            file = f"page/{number}-{kind}.wav"
            if sound is not None:
                write_wav(out / file, sound, corpora.grid.sample_rate_hz)
            cells.append("" if sound is None else f'<audio controls src="{file}"></audio>')
        rows.append(f"<tr><td>{html.escape(text)}</td><td>{'</td><td>'.join(cells)}</td></tr>")
    page, title = out / "index.html", html.escape(name)
    page.write_text(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<h1>{title}</h1><p>No sentence here was used in training.</p>
<table><tr><th>Text</th><th>Recording</th><th>Voice</th></tr>{"".join(rows)}</table></html>
""",
        "utf-8",
    )
    return page
