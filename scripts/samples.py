"""The page of audio samples: the same sentences by all voices, and by two of them untuned.

    python scripts/samples.py                 # docs/samples.md and its MP3s

Sentences that assistants say, English and Spanish, and one of LJSpeech's test split (public
domain), which none of our voices was trained on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dlpo.bundle import DEFAULT_VOICE
from dlpo.errors import DlpoError, InputError
from dlpo_bench.clips import Waveform
from dlpo_bench.listening.making import matched
from dlpo_bench.options import SpeakingOptions
from dlpo_bench.systems import open_voices
from dlpo_serving.encodings.sound_file import SoundFile
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import known_voices
from dlpo_serving.voices.synthesizer import Synthesizer

ENGLISH = {  # by clips' names; short ones, to suit a page
    "appointment": "Your appointment with Dr. Lee is on Thursday, at a quarter past three.",
    "friday": "You'd like to move it to Friday?",
    "LJ002-0174": "Mr. Buxton's friends at once paid the forty shillings, and the boy was"
    " released.",
}
SPANISH = {
    "cita": "Su cita con la doctora Ruiz es el jueves a las tres y cuarto.",
    "viernes": "¿Quiere cambiarla para el viernes?",
}
UNTUNED = ("heart", "michael")  # voices to hear before tuning
VOICES = tuple(known_voices())
MOST_BYTES = 1_100_000  # of all clips, which are kept in git
FOLDER = "samples"  # next to the page
ENCODING = ".mp3"  # plays in every browser


@dataclass(frozen=True, slots=True)
class Sample:
    """A version of a voice."""

    name: str
    """prefix of its files"""
    label: str
    """heading on the page"""
    synthesizer: Synthesizer
    about: Mapping[str, object]
    """of the system, see `dlpo_bench.systems.System`"""

    def texts(self) -> Mapping[str, str]:
        return SPANISH if self.synthesizer.manifest.language.startswith("es") else ENGLISH


def open_samples(untuned: Path, voice: str) -> list[Sample]:
    """The untuned checkpoint with the served number of steps, and the voices as served.

    Args:
        untuned: checkpoint.
        voice: name or path of the bundle exported from it after tuning.

    Raises:
        InputError: there is no such checkpoint or voice.
        BundleError, CheckpointError, EngineError: one can't be opened.
    """
    served = open_voices([f"served={voice}"], SpeakingOptions(voices=VOICES))
    speaking = SpeakingOptions((served[0].synthesizer.manifest.steps,), voices=UNTUNED)
    before = open_voices([f"untuned={untuned}"], speaking)
    return [
        *(Sample(f"untuned-{name}", f"{name}, before tuning", one.synthesizer, one.about)
          for name, one in zip(UNTUNED, before, strict=True)),
        *(Sample(name, name, one.synthesizer, one.about)
          for name, one in zip(VOICES, served, strict=True)),
    ]  # fmt: skip


def spoken(sample: Sample, text: str) -> Waveform:
    """(T,) float32 at the voice's own rate, at the loudness of listening tests."""
    heard = sample.synthesizer.speak(SpeechRequest(text))
    return matched(heard, sample.synthesizer.manifest.sample_rate_hz)


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def make(
    untuned: Annotated[Path, typer.Option(help="Checkpoint before tuning.")] = Path(
        "voices/spectral/checkpoint"
    ),
    voice: Annotated[str, typer.Option(help="The bundle that is served.")] = DEFAULT_VOICE,
    out: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Folder of the pages.")
    ] = Path("docs"),
) -> None:
    """Speak all sentences with every version of the voices, and write the page."""
    samples = open_samples(untuned, voice)
    folder = out / FOLDER
    folder.mkdir(exist_ok=True)
    for old in folder.glob(f"*{ENCODING}"):
        old.unlink()
    for sample in samples:
        for clip_id, text in sample.texts().items():
            path = folder / f"{sample.name}-{clip_id}{ENCODING}"
            _write(path, spoken(sample, text), sample.synthesizer.manifest.sample_rate_hz)
            typer.echo(path)
    size = sum(path.stat().st_size for path in folder.glob(f"*{ENCODING}"))
    if size > MOST_BYTES:
        raise InputError(f"the clips have {size} bytes, at most {MOST_BYTES} are meant for git")
    (out / "samples.md").write_text(page(samples), encoding="utf-8")
    typer.echo(f"{out / 'samples.md'}: {size / 1000:.0f} kB of sound")


def page(samples: Sequence[Sample]) -> str:
    """Markdown: a list of links per sentence, which the site turns into players."""
    parts = [
        "# Audio samples",
        "Every voice, and two of them before the last updates and tuning: judges score those lower,"
        " and their questions end like statements. Sentences that assistants say, and one of"
        " LJSpeech's test split, which no voice was trained on, at one loudness (-22 LUFS). Made by"
        " `python scripts/samples.py`.",
        "\n".join(f"- {one}" for one in dict.fromkeys(map(_described, samples))),
    ]
    for clip_id, words in (ENGLISH | SPANISH).items():
        links = [
            f"- [{one.label}]({FOLDER}/{one.name}-{clip_id}{ENCODING})"
            for one in samples
            if clip_id in one.texts()
        ]
        parts.append(f"## “{words}”")
        parts.append("\n".join(links))
    parts.append(
        "Judges' scores with intervals: [benchmarks](../benchmarks/results.md). Limits: [model"
        " card](model-card.md)."
    )
    return "\n\n".join(parts) + "\n"


def _described(sample: Sample) -> str:
    """What speaks a sample; the same for all voices of a system."""
    about, manifest = sample.about, sample.synthesizer.manifest
    schedule = manifest.noise_schedule
    chain = f"{_steps(manifest.steps)} of {schedule.name}, eta {schedule.eta}"
    how = about.get("precision", "fp32, PyTorch")
    when = "as served" if sample.label == sample.name else "before tuning"
    return f"{when}: {about['kind']} `{str(about['sha256'])[:12]}`, {chain}, {how}"


def _write(path: Path, waveform: Waveform, rate_hz: int) -> None:
    with SoundFile(path, rate_hz) as file:
        file.write(waveform)


if __name__ == "__main__":
    try:
        typer.run(make)
    except DlpoError as error:
        sys.exit(f"error: {error}")
