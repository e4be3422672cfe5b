"""Systems under test, which speak clips; opened by the name of a voice, bundle, checkpoint or
folder of wavs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlpo.bundle import MANIFEST, Bundle, ScheduleInfo
from dlpo.errors import DataError, InputError, needs
from dlpo_bench.clips import SUFFIXES, Clip, Waveform, at_rate, find_audio, read_audio
from dlpo_bench.options import SpeakingOptions

if TYPE_CHECKING:
    from dlpo_serving.voices.synthesizer import Synthesizer

Say = Callable[[Clip], Waveform]
"""From a clip to a waveform, (T,) float32 at 22,050 Hz."""
RECORDINGS = "recordings"
CHECKPOINT = "checkpoint.json"
WHOLE = (1 << 20,)  # frames: a sentence in one chunk


@dataclass(frozen=True, slots=True)
class System:
    """One system under test."""

    label: str
    """name in tables"""
    takes: tuple[Say, ...]
    """one per noise seed; a single one if nothing is random"""
    about: Mapping[str, Any] = field(default_factory=dict)
    """for the record: kind, path, sha256 and the chain it speaks with"""


@dataclass(frozen=True, slots=True)
class TextVoice:
    """A system that reads any text."""

    name: str
    precision: str
    """in words, if a bundle speaks in several; otherwise empty"""
    synthesizer: Synthesizer
    ladder: Sequence[int]
    """chunk lengths in frames"""
    about: Mapping[str, Any]
    """see `System`"""

    @property
    def label(self) -> str:
        """name in tables"""
        return f"{self.name}{self.precision}"

    def at_steps(self, speaking: SpeakingOptions) -> list[System]:
        """A system per number of steps.

        Raises:
            InputError: the voice has no chain of that many steps.
        """
        manifest, found = self.synthesizer.manifest, []
        for n in speaking.steps or (manifest.steps,):
            if n not in manifest.available_steps:
                offer = ", ".join(map(str, manifest.available_steps))
                raise InputError(f"{self.name}: got {n} steps; expected one of {offer}")
            steps = f", {n} steps" if len(speaking.steps) > 1 else ""
            chain = manifest.noise_schedule
            about = {**self.about, "schedule": chain.name, "eta": chain.eta, "steps": n}
            takes = tuple(
                text_to_speech(self.synthesizer, self.ladder, steps=n, seed=seed)
                for seed in range(speaking.seeds)
            )
            found.append(System(f"{self.name}{steps}{self.precision}", takes, about))
        return found


def recordings(clip: Clip) -> Waveform:
    """The speaker; raises DataError if the recording is not on this machine."""
    if clip.recording is None:
        raise DataError(f"{clip.clip_id} has no recording; expected its wav or flac in the corpus")
    return read_audio(clip.recording)


def text_to_speech(
    synthesizer: Synthesizer, ladder: Sequence[int] | None = None, **request: Any
) -> Say:
    """A voice that is given only the text.

    Args:
        synthesizer: from `dlpo_serving.voices.open_voice`, or around a `TorchEngine`.
        ladder: chunk lengths in frames; None: as served.
        request: fields of `SpeechRequest` other than the text, such as seed, steps and speed.
    """
    from dlpo_serving.request import SpeechRequest
    from dlpo_serving.synthesis.chunks import STREAM_LADDER

    def say(clip: Clip) -> Waveform:
        made = synthesizer.speak(SpeechRequest(clip.text, **request), ladder or STREAM_LADDER)
        return at_rate(made, synthesizer.manifest.sample_rate_hz)

    return say


RECORDED = System(RECORDINGS, (recordings,), {"kind": "recordings"})


def audio_files(directory: Path) -> Say:
    """Files that any synthesizer wrote to a directory, as `<clip id>.wav` or `.flac`."""

    def say(clip: Clip) -> Waveform:
        path = find_audio(directory, clip.clip_id)
        if path is None:
            raise DataError(f"{directory} has no {clip.clip_id}.wav; expected one file a clip")
        return read_audio(path)

    return say


def only_bundle(abouts: Iterable[Mapping[str, Any]]) -> str | None:
    """The sha256 of the bundle, if the systems' `about` contain exactly one; otherwise None."""
    bundles = {about["sha256"] for about in abouts if about["kind"] == "bundle"}
    return bundles.pop() if len(bundles) == 1 else None


def open_systems(names: Sequence[str], speaking: SpeakingOptions) -> list[System]:
    """Open every named system, in order.

    Raises:
        InputError: a name is not a system, or two have the same label.
        BundleError, CheckpointError, EngineError: a system can't be opened.
        ConfigError: an unknown schedule or number of steps.
    """
    found: list[System] = []
    for name in names:
        label, path = _split(name)
        if voices := _voices(label, path, speaking):
            found += [system for voice in voices for system in voice.at_steps(speaking)]
        elif path.is_dir() and any(entry.suffix in SUFFIXES for entry in path.iterdir()):
            about = {"kind": "files", "path": str(path)}
            found.append(System(label, (audio_files(path),), about))
        else:
            raise InputError(f"'{path}' is no system; {_expected(path, ' or a folder of wavs')}")
    _check_labels([system.label for system in found])
    return found


def open_voices(names: Sequence[str], speaking: SpeakingOptions) -> list[TextVoice]:
    """Open every named system, in order, all of which must read texts.

    Args:
        speaking: at most one number of steps.

    Raises:
        InputError: a name is not a voice (a folder of wavs can't read), or two have the same label.
        BundleError, CheckpointError, EngineError, ConfigError: see `open_systems`.
    """
    found: list[TextVoice] = []
    for name in names:
        label, path = _split(name)
        if not (voices := _voices(label, path, speaking)):
            raise InputError(f"'{path}' is no voice; {_expected(path)}")
        found += voices
    _check_labels([voice.label for voice in found])
    return found


def names_in_folders(systems: Sequence[System], names: Sequence[str] = ()) -> list[str]:
    """The names of clips that every folder of wavs has; voices can speak any clip.

    Args:
        names: clips to choose from; all of the first folder's if empty.

    Raises:
        InputError: there are none.
    """
    folders = [Path(one.about["path"]) for one in systems if one.about["kind"] == "files"]
    names = names or sorted(p.stem for p in folders[0].iterdir() if p.suffix in SUFFIXES)
    common = [name for name in names if all(find_audio(folder, name) for folder in folders)]
    if not common:
        raise InputError(
            f"none of the {len(names)} sentences is in {' and '.join(map(str, folders))};"
            f" expected files like {names[0]}.wav"
        )
    return common


def _check_labels(labels: Sequence[str]) -> None:
    for label in labels:
        if label == RECORDINGS or labels.count(label) > 1:
            why = "is the corpus's" if label == RECORDINGS else "is given twice"
            raise InputError(f"label {label!r} {why}; name each system, such as before={label}")


def _split(name: str) -> tuple[str, Path]:
    """Label and path of `LABEL=PATH` or `PATH`."""
    label, separator, place = name.partition("=")
    if separator and not Path(name).exists():
        return label, Path(place)
    return name.rstrip("/"), Path(name)


def _expected(path: Path, more: str = "") -> str:
    from dlpo_serving.voices import known_voices

    inside = f"; did you mean {path / 'checkpoint'}?" if (path / "checkpoint").is_dir() else ""
    return (
        f"expected the name of a voice ({', '.join(known_voices())}), a bundle, a checkpoint (a"
        f" directory with {CHECKPOINT}){more}{inside}"
    )


def _voices(label: str, path: Path, speaking: SpeakingOptions) -> list[TextVoice]:
    """A bundle in each precision, or a checkpoint, with each of the voices that are asked for;
    empty for anything that can't read."""
    readers = _readers(label, path, speaking)
    for reader in readers:
        for voice in speaking.voices:
            reader.synthesizer.manifest.shares(voice)  # raises if it has no such voice
    return [
        replace(
            reader,
            name=f"{reader.name}, {voice}" if len(speaking.voices) > 1 else reader.name,
            synthesizer=reader.synthesizer.speaking(voice),
            about={**reader.about, "voice": voice},
        )
        for reader in readers
        for voice in speaking.voices
    ] or readers


def _readers(label: str, path: Path, speaking: SpeakingOptions) -> list[TextVoice]:
    """A bundle in each precision, or a checkpoint, with its default voice."""
    from dlpo_serving.voices import known_voices

    if str(path) in known_voices() or path.is_file() or (path / MANIFEST).is_file():
        return _bundle(label, path, speaking)
    if (path / CHECKPOINT).is_file():
        return [_checkpoint(label, path, speaking)]
    return []


def _bundle(label: str, path: Path, speaking: SpeakingOptions) -> list[TextVoice]:
    from dlpo_serving.synthesis.chunks import STREAM_LADDER
    from dlpo_serving.voices import find_voice, open_voice

    place = find_voice(str(path))
    about = {"kind": "bundle", "path": str(path), "sha256": Bundle.load(place).sha256}
    found = []
    for precision in speaking.precisions or (None,):
        named: Any = precision  # open_voice checks it
        synthesizer = open_voice(str(path), "cpu", named)
        manifest = synthesizer.manifest
        about = about | {"precision": precision or manifest.precision, "voice": manifest.voice}
        suffix = f", {precision}" if len(speaking.precisions) > 1 else ""
        found.append(TextVoice(label, suffix, synthesizer, STREAM_LADDER, about))
    return found


def _checkpoint(label: str, path: Path, speaking: SpeakingOptions) -> TextVoice:
    """On its own chain, unless another is asked for; in whole sentences."""
    with needs("train"):
        from dlpo.checkpoint import load_checkpoint
        from dlpo_bench.torch_engine import TorchEngine
    from dlpo.bundle import DEFAULT_VOICE
    from dlpo.text import TextFrontEnd
    from dlpo_serving.voices import find_voice
    from dlpo_serving.voices.synthesizer import Synthesizer

    checkpoint = load_checkpoint(path)
    like = Bundle.load(find_voice(DEFAULT_VOICE)).manifest
    schedule, own_steps, eta = checkpoint.provenance.chain
    chain = ScheduleInfo(*speaking.chain.of(schedule, eta))
    steps = speaking.steps or (own_steps,)
    engine = TorchEngine(checkpoint, like, chain, steps)
    about = {
        "kind": "checkpoint", "path": str(path), "sha256": checkpoint.sha256,
        "provenance": asdict(checkpoint.provenance),
    }  # fmt: skip
    return TextVoice(label, "", Synthesizer(engine, TextFrontEnd(like.dictionary)), WHOLE, about)
