"""The page of audio samples: the same sentences by all voices, and by two of them untuned.

    python scripts/samples.py                 # docs/samples.md and its MP3s

Sentences that assistants say, English and Spanish, and one of LJSpeech's test split (public
domain), which none of our voices was trained on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from dlpo.bundle import DEFAULT_VOICE
from dlpo_bench.listening.making import matched
from dlpo_bench.options import SpeakingOptions
from dlpo_bench.systems import TextVoice, open_voices
from dlpo_serving.encodings.sound_file import SoundFile
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import known_voices

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
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
BEFORE = "untuned-"  # of names of samples
Samples = Mapping[str, TextVoice]
"""Prefix of its files -> a voice: `heart`, or `untuned-heart`."""


def open_samples() -> Samples:
    """The untuned checkpoint with the served number of steps, and the voices as served."""
    served = open_voices([f"served={DEFAULT_VOICE}"], SpeakingOptions(voices=VOICES))
    speaking = SpeakingOptions((served[0].synthesizer.manifest.steps,), voices=UNTUNED)
    before = open_voices([f"untuned={ROOT / 'voices/spectral/checkpoint'}"], speaking)
    names = [*(f"{BEFORE}{name}" for name in UNTUNED), *VOICES]
    return dict(zip(names, [*before, *served], strict=True))


def texts_of(voice: TextVoice) -> Mapping[str, str]:
    """Clip's name -> what the voice says."""
    return SPANISH if voice.synthesizer.manifest.language.startswith("es") else ENGLISH


def main() -> None:
    """Speak all sentences with every version of the voices, and write the page."""
    samples, folder = open_samples(), DOCS / FOLDER
    for old in folder.glob(f"*{ENCODING}"):
        old.unlink()
    for name, one in samples.items():
        rate_hz = one.synthesizer.manifest.sample_rate_hz
        for clip_id, text in texts_of(one).items():
            with SoundFile(folder / f"{name}-{clip_id}{ENCODING}", rate_hz) as file:
                file.write(matched(one.synthesizer.speak(SpeechRequest(text)), rate_hz))
    size = sum(path.stat().st_size for path in folder.glob(f"*{ENCODING}"))
    if size > MOST_BYTES:
        sys.exit(f"the clips have {size} bytes, at most {MOST_BYTES} are meant for git")
    (DOCS / "samples.md").write_text(page(samples), encoding="utf-8")
    print(f"{DOCS / 'samples.md'}: {size / 1000:.0f} kB of sound")


def page(samples: Samples) -> str:
    """Markdown: a list of links per sentence, which the site turns into players."""
    parts = [
        "# Audio samples",
        "Every voice, and two of them before the last updates and tuning. Sentences that assistants"
        " say, and one of LJSpeech's test split, which no voice was trained on, at one loudness"
        " (-22 LUFS). Made by `python scripts/samples.py`.",
        "\n".join(dict.fromkeys(f"- {described(*one)}" for one in samples.items())),
    ]
    for clip_id, words in (ENGLISH | SPANISH).items():
        speakers = [name for name, one in samples.items() if clip_id in texts_of(one)]
        links = (f"- [{label(one)}]({FOLDER}/{one}-{clip_id}{ENCODING})" for one in speakers)
        parts += [f"## “{words}”", "\n".join(links)]
    parts.append(
        "Judges' scores with intervals: [benchmarks](../benchmarks/results.md). Limits: [model"
        " card](model-card.md)."
    )
    return "\n\n".join(parts) + "\n"


def label(name: str) -> str:
    """How the page calls a sample."""
    plain = name.removeprefix(BEFORE)
    return plain if plain == name else f"{plain}, before tuning"


def described(name: str, voice: TextVoice) -> str:
    """What speaks a sample; the same for all voices of a system."""
    about, manifest = voice.about, voice.synthesizer.manifest
    schedule = manifest.noise_schedule
    steps = "1 step" if manifest.steps == 1 else f"{manifest.steps} steps"
    when = "before tuning" if name.startswith(BEFORE) else "as served"
    return (
        f"{when}: {about['kind']} `{str(about['sha256'])[:12]}`, {steps} of {schedule.name}, eta"
        f" {schedule.eta}, {about.get('precision', 'fp32, PyTorch')}"
    )


if __name__ == "__main__":
    main()
