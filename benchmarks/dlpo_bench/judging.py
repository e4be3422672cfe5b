"""The panel of judges: loads those whose weights are there, and says why the others are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlpo.errors import CheckpointError, InputError, MissingExtraError
from dlpo.judges import WEIGHTS
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.dnsmos import Dnsmos
from dlpo.judges.judge import Judge, Recogniser
from dlpo.judges.nisqa import Nisqa
from dlpo.judges.pocketsphinx import PocketSphinx
from dlpo.judges.speaker import SpeakerEncoder, SpeakerSimilarity
from dlpo.judges.whisper import Whisper
from dlpo_bench.clips import SAMPLE_RATE, SUFFIXES, read_audio

WORD_ERRORS, CHARACTER_ERRORS = "word errors", "character errors"
REFERENCE_EVERY = 10  # clips of a corpus that a speaker is known by: every so many


@dataclass(frozen=True, slots=True)
class Panel:
    """Who listens."""

    judges: Sequence[Judge]
    recognisers: Mapping[str, Recogniser]
    """Measure of word errors -> who understands the words."""
    left_out: Mapping[str, str]
    """Who can't, and why."""


def characters_measure(words_measure: str) -> str:
    """The measure of character errors beside a recognizer's measure of word errors."""
    return words_measure.replace(WORD_ERRORS, CHARACTER_ERRORS)


def load_panel(
    weights: Path,
    whisper: Sequence[Path] = (),
    utmos: Path | None = None,
    speaker: tuple[Path, Path] | None = None,
) -> Panel:
    """Every judge that can be had.

    Args:
        weights: directory with nisqa.tar, nisqa_tts.tar and dnsmos_model_v8.onnx. DistillMOS and
            the recogniser bring their own; who lacks theirs is left out.
        whisper: directories of Whisper checkpoints, each for word and character errors of its own,
            named by the directory.
        utmos: file of UTMOS's weights.
        speaker: file of the speaker encoder's weights, and the corpus of the speaker that clips
            shall be like, with wavs/.

    Raises:
        InputError: none can be had.
        CheckpointError, MissingExtraError: Whisper, UTMOS or the speaker encoder was asked for and
            can't be had.
        DataError: a recording of the speaker can't be read.
    """
    makers: dict[str, Callable[[], Judge]] = {
        "DistillMOS": DistillMOS,
        "NISQA": lambda: Nisqa(weights / WEIGHTS["NISQA"]),
        "NISQA-TTS": lambda: Nisqa(weights / WEIGHTS["NISQA-TTS"]),
        "DNSMOS P.808": lambda: Dnsmos(weights / WEIGHTS["DNSMOS P.808"]),
    }
    judges: list[Judge] = []
    recognisers: dict[str, Recogniser] = {}
    left_out = {}
    for name, make in makers.items():
        try:
            judges.append(make())
        except (CheckpointError, MissingExtraError) as error:
            left_out[name] = str(error)
    if utmos is not None:
        judges.append(_utmos(utmos))
    try:
        recognisers[WORD_ERRORS] = PocketSphinx()
    except (InputError, MissingExtraError) as error:
        left_out[WORD_ERRORS] = str(error)
    if speaker is not None:
        judges.append(_speaker(*speaker))
    for directory in whisper:
        recognisers[f"{WORD_ERRORS}, {directory.resolve().name}"] = Whisper(directory)
    if not judges and not recognisers:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InputError(f"no judge can be had ({reasons}); run: pip install 'dlpo[bench]'")
    return Panel(judges, recognisers, left_out)


def _speaker(weights: Path, corpus: Path) -> Judge:
    files = sorted(f for f in (corpus / "wavs").glob("*") if f.suffix in SUFFIXES)
    recordings = [read_audio(file) for file in files[::REFERENCE_EVERY]]
    return SpeakerSimilarity(SpeakerEncoder(weights), recordings, SAMPLE_RATE)


def _utmos(weights: Path) -> Judge:
    try:
        from dlpo.rl.rewards.utmos import Utmos
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "bench") from error
    return Utmos(weights)
