"""How far a WaveGrad 2 checkpoint has come: words that Whisper hears wrong, and its noise loss.

    python -m research.wavegrad_progress runs/mini/checkpoint --data data/heart --whisper base

Both on recordings of the dataset's test split that last at most a few seconds: their texts are
spoken with predicted durations in a few chains, and at each noise level the L1 of the noise is
measured in windows of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from dlpo.audio import write_wav
from dlpo.checkpoint import Checkpoint, load_checkpoint
from dlpo.data.dataset import Corpora
from dlpo.diffusion import q_sample
from dlpo.errors import DataError, InputError
from dlpo.frame_grid import PUBLISHED_GRID
from dlpo.judges.judge import Recognizer
from dlpo.judges.whisper import Whisper
from dlpo.judges.word_errors import WordErrors, pooled, word_errors
from dlpo.model.wavegrad2 import WaveGrad2
from dlpo.noise_schedule import NoiseSchedule, linear, named_schedule
from dlpo.training.batches import Batches
from dlpo.training.excerpts import ExcerptBatches
from dlpo.training.losses import masked_mean
from dlpo.training.synthesis import speak
from dlpo.training.wavegrad_losses import recorded_conditioning
from dlpo_bench.record import Measured, check_recordable, write_record
from dlpo_bench.tables import Table, number, show
from research import RECORDS, run_study, study_command

KIND = "wavegrad-progress"
LEVELS = (*linear(8)[:-1].tolist(), 0.995, 0.9995)  # of the training chain, and two nearly clean
# frames
WINDOWS = 16
WINDOW = 48
CONTEXT = 6
RATE_HZ = PUBLISHED_GRID.sample_rate_hz


@dataclass(frozen=True, slots=True)
class Heard:
    """One chain on all sentences."""

    schedule: NoiseSchedule
    errors: Sequence[WordErrors]
    transcripts: Sequence[str]

    @property
    def figures(self) -> dict[str, Any]:
        """What the record holds."""
        total = pooled(self.errors)
        return {
            "schedule": self.schedule.name,
            "steps": self.schedule.steps,
            "eta": self.schedule.eta,
            "sentences": len(self.errors),
            "words": total.words,
            "words_wrong": total.rate,
        }


def held_out(dataset: Corpora, sentences: int, longest_s: float) -> list[int]:
    """Indices of the first recordings of the test split that are short enough.

    Raises:
        DataError: there are fewer.
    """
    short = [
        i
        for i in dataset.split("test", with_audio=True)
        if dataset.entries[i].frames <= longest_s * dataset.grid.frames_per_s
    ]
    if len(short) < sentences:
        raise DataError(
            f"{dataset.path}: {len(short)} test recordings last at most {longest_s:g} s; expected"
            f" {sentences}: ask for fewer --sentences or a higher --longest-s"
        )
    return short[:sentences]


def hear(
    model: WaveGrad2,
    dataset: Corpora,
    chosen: Sequence[int],
    schedule: NoiseSchedule,
    recognizer: Recognizer,
    wavs: Path | None = None,
) -> Heard:
    """Speak the texts of recordings and count the words that a recognizer gets wrong."""
    errors, transcripts = [], []
    for i in chosen:
        entry, (symbols, _) = dataset.entries[i], dataset.timing(i)
        waveform = speak(model, symbols, schedule, seed=i)
        (transcript,) = recognizer.transcribe([waveform], RATE_HZ)
        errors.append(word_errors(entry.text, transcript))
        transcripts.append(transcript)
        if wavs is not None:
            wavs.mkdir(parents=True, exist_ok=True)
            write_wav(wavs / f"{entry.id}-{schedule.steps}.wav", waveform, RATE_HZ)
    return Heard(schedule, errors, transcripts)


@torch.no_grad()
def noise_loss_by_level(
    model: WaveGrad2, dataset: Corpora, levels: Sequence[float] = LEVELS
) -> dict[str, float]:
    """L1 of the noise in the same windows and noise of the test split at each level.

    Args:
        model: in eval mode.
        levels: sqrt(alpha_bar).
    """
    batches = ExcerptBatches(Batches(dataset, "test", 0, 0, model.config.rows))
    excerpts = batches.draw(0, WINDOWS, WINDOW, CONTEXT)
    sentences, clean = excerpts.sentences, excerpts.waveform
    hidden = model.hidden(sentences.phonemes, model.seen(sentences.phonemes, sentences.mask))
    conditioning = recorded_conditioning(model, hidden, excerpts.spectra)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    losses = {}
    for level in levels:
        at = torch.full((len(clean),), level)
        eps = model.denoise(q_sample(clean, at, noise), at, conditioning, torch.zeros_like(clean))
        losses[f"{level:.4f}"] = float(masked_mean((eps - noise).abs(), excerpts.scored))
    return losses


def tables(heard: Sequence[Heard], losses: Mapping[str, float]) -> list[Table]:
    """The figures, one table for each kind."""
    chains = [one.figures for one in heard]
    words = [
        [
            f"{chain['steps']}, {chain['schedule']}, eta {chain['eta']:g}",
            str(chain["sentences"]),
            f"{100 * chain['words_wrong']:.1f} %",
        ]
        for chain in chains
    ]
    return [
        Table(["steps", "sentences", "words wrong"], words),
        Table(["noise level", *losses], [["L1 of the noise", *map(number, losses.values())]]),
    ]


def wavegrad_model(path: Path) -> tuple[WaveGrad2, Checkpoint]:
    """The model of a checkpoint.

    Raises:
        InputError: it is not WaveGrad 2.
        CheckpointError: see `load_checkpoint`.
    """
    checkpoint = load_checkpoint(path)
    if not isinstance(checkpoint.model, WaveGrad2):
        raise InputError(
            f"{path} is {checkpoint.config.model!r}; expected mini, base or large, which dlpo"
            " train makes"
        )
    return checkpoint.model, checkpoint


def main(
    checkpoint: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    data: Annotated[Path, typer.Option(exists=True, help="Dataset of the voice.")],
    whisper: Annotated[Path, typer.Option(exists=True, help="Whisper checkpoint.")],
    chain: Annotated[
        list[str] | None, typer.Option(help="SCHEDULE:STEPS:ETA, such as linear:10:1; repeatable.")
    ] = None,
    sentences: Annotated[int, typer.Option(min=1)] = 40,
    longest_s: Annotated[float, typer.Option(help="Seconds that a recording may last.")] = 5.0,
    wavs: Annotated[Path | None, typer.Option(help="Directory for what is spoken.")] = None,
    record: Annotated[bool, typer.Option(help="Write a record.")] = False,
    out: Annotated[Path, typer.Option(help="Directory of records.")] = RECORDS,
) -> None:
    """Measure a checkpoint of mini, base or large while it is being trained."""
    if record:
        check_recordable(out)
    model, loaded = wavegrad_model(checkpoint)
    dataset = Corpora([data])
    chosen, recognizer = held_out(dataset, sentences, longest_s), Whisper(whisper)
    heard = [
        hear(model, dataset, chosen, parse_chain(text), recognizer, wavs)
        for text in chain or ["linear:10:1", "linear:50:1"]
    ]
    losses = noise_loss_by_level(model, dataset)
    show(tables(heard, losses))
    if record:
        figures = {
            "updates": loaded.provenance.updates,
            "checkpoint_sha256": loaded.sha256,
            "recognizer": recognizer.name,
            "longest_s": longest_s,
            "chains": [one.figures for one in heard],
            "noise_loss": losses,
        }
        texts = [dataset.entries[i].text for i in chosen]
        samples = {"texts": texts, "heard": [list(one.transcripts) for one in heard]}
        typer.echo(write_record(KIND, Measured(figures, samples), study_command(KIND), out))


def parse_chain(text: str) -> NoiseSchedule:
    """`linear:10:1` -> the schedule linear, 10 steps, eta 1.

    Raises:
        InputError: not of that form.
        ConfigError: no such schedule.
    """
    try:
        name, steps, eta = text.rsplit(":", 2)
        return named_schedule(name, int(steps), float(eta))
    except ValueError as error:
        raise InputError(f"--chain {text}: expected SCHEDULE:STEPS:ETA") from error


if __name__ == "__main__":
    run_study(main)
