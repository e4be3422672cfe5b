"""Systems under test: functions from a clip to its waveform, opened by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlpo.bundle import MANIFEST, Bundle, ScheduleInfo
from dlpo.errors import DataError, InputError, MissingExtraError
from dlpo_bench.clips import SUFFIXES, Clip, Waveform, find_audio, read_audio

if TYPE_CHECKING:
    from dlpo_serving.synthesizer import Synthesizer

System = Callable[[Clip], Waveform]
RECORDINGS = "recordings"


def recordings(clip: Clip) -> Waveform:
    """The speaker herself.

    Raises:
        DataError: the recording is not on this machine.
    """
    if clip.recording is None:
        raise DataError(f"{clip.clip_id} has no recording; expected its wav or flac in the corpus")
    return read_audio(clip.recording)


def audio_files(directory: Path) -> System:
    """What any synthesiser has written to a directory, as `<clip id>.wav` or `.flac`."""

    def system(clip: Clip) -> Waveform:
        path = find_audio(directory, clip.clip_id)
        if path is None:
            raise DataError(f"{directory} has no {clip.clip_id}.wav; expected one file a clip")
        return read_audio(path)

    return system


def text_to_speech(
    synthesizer: Synthesizer,
    *,
    steps: int | None = None,
    seed: int = 0,
    ladder: Sequence[int] | None = None,
    speed: float = 1.0,
    pitch_semitones: float = 0.0,
) -> System:
    """A voice that is given the text alone.

    Args:
        synthesizer: of `dlpo_serving.voices.open_voice`, or around a `TorchEngine`.
        steps: reverse steps; the voice's default if None.
        seed: of the noise, the same for every clip.
        ladder: frames of the chunks that a sentence is made in; as served if None.
        speed: factor of the voice's own pace.
        pitch_semitones: shift of its pitch.
    """
    from dlpo_serving.request import SpeechRequest
    from dlpo_serving.synthesis.denoiser_input import STREAM_LADDER

    def system(clip: Clip) -> Waveform:
        request = SpeechRequest(clip.text, speed, pitch_semitones, seed, steps)
        utterance = synthesizer.read(request)
        chunks = synthesizer.stream(utterance, ladder or STREAM_LADDER)
        return np.concatenate([chunk.samples for chunk in chunks])

    return system


CHECKPOINT = "checkpoint.json"
WHOLE = (1 << 20,)  # frames: a sentence in one piece


@dataclass(frozen=True, slots=True)
class Speaking:
    """How candidates speak; what is left out is each one's own."""

    steps: tuple[int, ...] = ()
    """reverse steps; with several, each candidate is heard with each"""
    precisions: tuple[str, ...] = ()
    """of bundles; with several, each is heard in each"""
    schedule: str | None = None
    """name of the noise schedule, of checkpoints alone: a bundle's is part of its graphs"""
    eta: float | None = None
    """0 = DDIM to 1 = ancestral, of checkpoints alone"""
    seeds: int = 1
    """noise seeds 0, 1, ... that each sentence is said with"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One system in a comparison."""

    label: str
    """how tables call it"""
    takes: tuple[System, ...]
    """one for each noise seed; one alone where nothing is random"""
    about: Mapping[str, Any] = field(default_factory=dict)
    """what it is, for the record: kind, path, sha256 and the chain it speaks with"""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A candidate that reads texts."""

    name: str
    """what it was called"""
    precision: str
    """in words, where one bundle speaks in several; else empty"""
    synthesizer: Synthesizer
    ladder: Sequence[int] | None
    """frames of its chunks; None: as served"""
    about: Mapping[str, Any]
    """see `Candidate`"""

    @property
    def label(self) -> str:
        """how tables call it"""
        return f"{self.name}{self.precision}"


def only_bundle(abouts: Iterable[Mapping[str, Any]]) -> str | None:
    """The sha256 of the one bundle among what `about` says of candidates; None unless it is one."""
    bundles = {about["sha256"] for about in abouts if about["kind"] == "bundle"}
    return bundles.pop() if len(bundles) == 1 else None


RECORDED = Candidate(RECORDINGS, (recordings,), {"kind": "recordings"})


def open_candidates(names: Sequence[str], speaking: Speaking) -> list[Candidate]:
    """Open everything that was named, in order.

    Raises:
        InputError: nothing is there, or something else, or two have the same label.
        BundleError, CheckpointError, EngineError: it can't be opened.
        ConfigError: an unknown schedule or number of steps.
    """
    found = [candidate for name in names for candidate in _open(name, speaking)]
    labels = [candidate.label for candidate in found]
    for label in labels:
        if label == RECORDINGS or labels.count(label) > 1:
            why = "is the corpus's" if label == RECORDINGS else "is given twice"
            raise InputError(f"label {label!r} {why}; name each system, such as before={label}")
    return found


def open_speakers(names: Sequence[str], speaking: Speaking) -> list[Speaker]:
    """Open everything that was named, in order, where all of it can read texts.

    Args:
        names: see the module.
        speaking: at most one number of steps.

    Raises:
        InputError: nothing is there, or it is a folder of wavs, or two have the same label.
        BundleError, CheckpointError, EngineError, ConfigError: see `open_candidates`.
    """
    found = []
    for name in names:
        label, place = _split(name)
        speakers = _speakers(label, place, speaking)
        if not speakers:
            raise InputError(f"{place!r} is no voice; {_expected(Path(place))}")
        found += speakers
    labels = [speaker.label for speaker in found]
    for label in labels:
        if label == RECORDINGS or labels.count(label) > 1:
            raise InputError(f"label {label!r} is given twice; name each, such as before={label}")
    return found


def names_in_folders(candidates: Sequence[Candidate], names: Sequence[str]) -> list[str]:
    """The names of clips that every folder of wavs has; who speaks can say them all.

    Raises:
        InputError: there is none.
    """
    folders = [Path(c.about["path"]) for c in candidates if c.about["kind"] == "files"]
    common = [name for name in names if all(find_audio(folder, name) for folder in folders)]
    if not common:
        raise InputError(
            f"none of the {len(names)} sentences is in {' and '.join(map(str, folders))};"
            f" expected files like {names[0]}.wav"
        )
    return common


def _split(name: str) -> tuple[str, str]:
    """Label and place of what was named."""
    label, separator, place = name.partition("=")
    return (label, place) if separator and not Path(name).exists() else (name.rstrip("/"), name)


def _open(name: str, speaking: Speaking) -> list[Candidate]:
    label, place = _split(name)
    speakers = _speakers(label, place, speaking)
    if speakers:
        return [one for speaker in speakers for one in _at_each_steps(speaker, speaking)]
    path = Path(place)
    if path.is_dir() and any(entry.suffix in SUFFIXES for entry in path.iterdir()):
        return [Candidate(label, (audio_files(path),), {"kind": "files", "path": place})]
    raise InputError(f"{place!r} is no system; {_expected(path, ' or a folder of wavs')}")


def _expected(path: Path, more: str = "") -> str:
    from dlpo_serving.voices import known_voices

    inside = f"; did you mean {path / 'checkpoint'}?" if (path / "checkpoint").is_dir() else ""
    return (
        f"expected the name of a voice ({', '.join(known_voices())}), a bundle, a checkpoint (a"
        f" directory with {CHECKPOINT}){more}{inside}"
    )


def _speakers(label: str, place: str, speaking: Speaking) -> list[Speaker]:
    """What lies there, in each precision that was asked for; none if it can't read."""
    from dlpo_serving.voices import find_voice, known_voices

    path = Path(place)
    if place in known_voices() or path.is_file() or (path / MANIFEST).is_file():
        return _bundles(label, find_voice(place), place, speaking)
    if (path / CHECKPOINT).is_file():
        return [_checkpoint(label, path, speaking)]
    return []


def _bundles(label: str, path: Path, place: str, speaking: Speaking) -> list[Speaker]:
    from dlpo_serving.voices import open_voice

    sha256 = Bundle.load(path).sha256
    found = []
    for precision in speaking.precisions or (None,):
        voice: Any = precision  # open_voice checks it
        synthesizer = open_voice(path, "cpu", voice)
        about = {
            "kind": "bundle",
            "path": place,
            "sha256": sha256,
            "precision": precision or synthesizer.manifest.precision,
        }
        suffix = f", {precision}" if len(speaking.precisions) > 1 else ""
        found.append(Speaker(label, suffix, synthesizer, None, about))
    return found


def _checkpoint(label: str, path: Path, speaking: Speaking) -> Speaker:
    """Its own chain is the one it was tuned on, else that of the embedded voice."""
    try:
        from dlpo.checkpoint import load_checkpoint
        from dlpo_bench.torch_engine import TorchEngine
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "train") from error
    from dlpo.text import TextFrontEnd
    from dlpo_serving.synthesizer import Synthesizer
    from dlpo_serving.voices import DEFAULT_VOICE, find_voice

    checkpoint = load_checkpoint(path)
    like = Bundle.load(find_voice(DEFAULT_VOICE)).manifest
    tuned = checkpoint.provenance.tuned
    own = ScheduleInfo(tuned.schedule, tuned.eta) if tuned else like.noise_schedule
    chain = ScheduleInfo(
        own.name if speaking.schedule is None else speaking.schedule,
        own.eta if speaking.eta is None else speaking.eta,
    )
    steps = speaking.steps or (tuned.steps if tuned else like.steps,)
    engine = TorchEngine(checkpoint, like, chain, steps)
    about = {
        "kind": "checkpoint",
        "path": str(path),
        "sha256": checkpoint.sha256,
        "provenance": asdict(checkpoint.provenance),
    }
    return Speaker(label, "", Synthesizer(engine, TextFrontEnd(like.dictionary)), WHOLE, about)


def _at_each_steps(speaker: Speaker, speaking: Speaking) -> list[Candidate]:
    manifest = speaker.synthesizer.manifest
    chain = manifest.noise_schedule
    found = []
    for n in speaking.steps or (manifest.steps,):
        if n not in manifest.available_steps:
            offer = ", ".join(map(str, manifest.available_steps))
            raise InputError(f"{speaker.name}: {n} steps are not on offer; it has {offer}")
        steps = f", {n} steps" if len(speaking.steps) > 1 else ""
        takes = tuple(
            text_to_speech(speaker.synthesizer, steps=n, seed=seed, ladder=speaker.ladder)
            for seed in range(speaking.seeds)
        )
        how = {**speaker.about, "schedule": chain.name, "eta": chain.eta, "steps": n}
        found.append(Candidate(f"{speaker.name}{steps}{speaker.precision}", takes, how))
    return found
