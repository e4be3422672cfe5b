"""Loads the judges, recognizers and measures of a panel, by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from dlpo.errors import CheckpointError, InputError, MissingExtraError, needs, pip_install
from dlpo.judges import WEIGHTS
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.dnsmos import Dnsmos
from dlpo.judges.judge import ClipMeasure, Judge, Recognizer
from dlpo.judges.nisqa import Nisqa
from dlpo.judges.p835 import P835
from dlpo.judges.plcmos import Plcmos
from dlpo.judges.pocketsphinx import PocketSphinx
from dlpo.judges.speaker import SpeakerEncoder, SpeakerSimilarity
from dlpo.judges.whisper import Whisper
from dlpo_bench.clips import SAMPLE_RATE, SUFFIXES, read_audio
from dlpo_bench.endings import EndMovement, QuestionMark
from dlpo_bench.judging import WORD_ERRORS, JudgePanel

T = TypeVar("T")
REFERENCE_EVERY = 10  # every n-th clip of the corpus is a reference for its speaker
WORDS = "words"
ENDS = "ends"
WHISPER = "whisper"
QUESTION = "question"
JUDGES: Mapping[str, tuple[str, Callable[[Path], Judge]]] = {
    "distillmos": ("DistillMOS", lambda weights: DistillMOS()),
    "nisqa": ("NISQA", lambda weights: Nisqa(weights / WEIGHTS["NISQA"])),
    "nisqa_tts": ("NISQA-TTS", lambda weights: Nisqa(weights / WEIGHTS["NISQA-TTS"])),
    "dnsmos": ("DNSMOS P.808", lambda weights: Dnsmos()),
    "plcmos": ("PLCMOS", lambda weights: Plcmos()),
}
MEASURES: Mapping[str, tuple[str, Callable[[Path], ClipMeasure]]] = {
    "p835": ("P.835", lambda weights: P835()),
    ENDS: ("the ends of sentences", lambda weights: EndMovement()),
}
"""Option -> name in tables, and what loads it from the directory of weights."""
NAMES = (*JUDGES, *MEASURES, WORDS, WHISPER, QUESTION)


def load_panel(
    weights: Path,
    whisper: Sequence[Path] = (),
    utmos: Path | None = None,
    speaker: tuple[Path, Path] | None = None,
    only: Collection[str] = (),
    endings: bool = False,
) -> JudgePanel:
    """Load every judge whose weights are available, or those that are named.

    Args:
        weights: directory with the files of `WEIGHTS`; a judge without its own is left out.
        whisper: directories of Whisper checkpoints, each of which adds word and character errors
            named after its directory, and with `endings` whether it hears a question.
        utmos: file of UTMOS's weights.
        speaker: file of the speaker encoder's weights, and the corpus (with wavs/) of the speaker
            that clips are compared with.
        only: some of `NAMES`, each of which must be available; empty for all.
        endings: also measure how sentences end.

    Raises:
        InputError: no judge is available, or an unknown name.
        CheckpointError, MissingExtraError: what was requested is not available.
        DataError: a recording of the speaker can't be read.
    """
    if unknown := sorted(set(only) - set(NAMES)):
        raise InputError(f"judge {unknown[0]!r} is unknown; expected one of {', '.join(NAMES)}")
    if (heard := {WHISPER, QUESTION} & set(only)) and not whisper:
        raise InputError(f"judge {min(heard)!r} needs a recognizer; pass --whisper DIR, too")
    left_out: dict[str, str] = {}

    def wanted(name: str) -> bool:
        return name in only if only else name not in (ENDS, QUESTION) or endings

    judges = _available(JUDGES, weights, wanted, bool(only), left_out)
    measures = _available(MEASURES, weights, wanted, bool(only), left_out)
    recognizers: dict[str, Recognizer] = {}
    if wanted(WORDS):
        try:
            recognizers[WORD_ERRORS] = PocketSphinx()
        except (InputError, MissingExtraError) as error:
            left_out[WORD_ERRORS] = str(error)
    for directory in whisper:
        recognizer = Whisper(directory)
        if wanted(WHISPER):
            recognizers[f"{WORD_ERRORS}, {directory.resolve().name}"] = recognizer
        if wanted(QUESTION):
            measures.append(QuestionMark(recognizer))
    judges += _of_files(utmos, speaker)
    if not judges and not recognizers and not measures:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InputError(f"no judge is available ({reasons}); run: {pip_install('bench')}")
    return JudgePanel(judges, recognizers, left_out, measures)


def _available(
    makers: Mapping[str, tuple[str, Callable[[Path], T]]],
    weights: Path,
    wanted: Callable[[str], bool],
    required: bool,
    left_out: dict[str, str],
) -> list[T]:
    """Those that are wanted; ones that can't be loaded are noted, or raise if required."""
    found = []
    for name, (title, make) in makers.items():
        if not wanted(name):
            continue
        try:
            found.append(make(weights))
        except (CheckpointError, MissingExtraError) as error:
            if required:
                raise
            left_out[title] = str(error)
    return found


def _of_files(utmos: Path | None, speaker: tuple[Path, Path] | None) -> list[Judge]:
    """The judges that are requested by a file of weights."""
    judges: list[Judge] = []
    if utmos is not None:
        with needs("bench"):
            from dlpo.judges.utmos import Utmos
        judges.append(Utmos(utmos))
    if speaker is not None:
        files = sorted(f for f in (speaker[1] / "wavs").glob("*") if f.suffix in SUFFIXES)
        recordings = [read_audio(file) for file in files[::REFERENCE_EVERY]]
        judges.append(SpeakerSimilarity(SpeakerEncoder(speaker[0]), recordings, SAMPLE_RATE))
    return judges
