"""A panel of judges scores systems on the same sentences; means, differences, intervals.

Every waveform is brought to the level of its clip's recording first: louder must not mean better.
The takes of a system, one for each noise seed, are averaged first, so that the sentence stays the
unit of every interval and test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import CheckpointError, EngineError, InputError, MissingExtraError
from dlpo.judges import WEIGHTS
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.dnsmos import Dnsmos
from dlpo.judges.judge import Judge, Recogniser, check_waveforms
from dlpo.judges.levels import active_level_db, high_band_db
from dlpo.judges.nisqa import Nisqa
from dlpo.judges.pocketsphinx import PocketSphinx
from dlpo.judges.speaker import SpeakerEncoder, SpeakerSimilarity
from dlpo.judges.whisper import Whisper
from dlpo.judges.word_errors import character_errors, characters_of, word_errors, words_of
from dlpo_bench.clips import SAMPLE_RATE, SUFFIXES, Clip, Waveform, read_audio
from dlpo_bench.signals import (
    TYPICAL_LEVEL_DB,
    at_level,
    f0_spread_semitones,
    mel_spread_db,
)
from dlpo_bench.statistics import Estimate, Paired, mean, paired, ratio_of_sums
from dlpo_bench.systems import RECORDINGS, System

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
        from dlpo.judges.utmos import Utmos
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "bench") from error
    return Utmos(weights)


Floats = NDArray[np.float64]
ERROR_RATIO = "word errors / recordings'"


@dataclass(frozen=True, slots=True)
class Take:
    """What the panel heard when a system said all clips once."""

    values: Mapping[str, Floats]
    """Judge or signal measure -> (clips,) values; NaN where the judge failed."""
    transcripts: Mapping[str, Sequence[str | None]]
    """Measure of a recogniser -> what it understood of each clip; None where it failed."""
    errors: Mapping[str, Floats]
    """Measure of a recognizer -> (clips,) wrong words or characters; NaN where it failed."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the panel heard from one system."""

    takes: Sequence[Take]
    """One for each noise seed."""

    @property
    def values(self) -> dict[str, Floats]:
        """Measure -> (clips,) mean over the takes that could be judged; NaN where none could."""
        return {
            measure: _mean_of_known([take.values[measure] for take in self.takes])
            for measure in self.takes[0].values
        }

    @property
    def errors(self) -> dict[str, Floats]:
        """Measure of a recognizer -> (clips,) wrong words or characters, a mean over takes."""
        return {
            measure: _mean_of_known([take.errors[measure] for take in self.takes])
            for measure in self.takes[0].errors
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A judge that could not judge a waveform."""

    system: str
    clip_id: str
    take: int
    measure: str
    reason: str


@dataclass(frozen=True, slots=True)
class Quality:
    """The outcome of a comparison."""

    clips: Sequence[Clip]
    heard: Mapping[str, Heard]
    """System -> what was heard."""
    panel: Panel
    baseline: str | None
    """The system that others are compared with; None if there is no other."""
    failures: Sequence[Failure]
    silent: Sequence[str]
    """"system, clip" of every waveform without a sound."""
    matched: bool
    """Whether all were brought to one level."""

    def units(self, measure: str) -> Floats:
        """(clips,) words to be understood, or characters, as the measure counts errors."""
        count = characters_of if measure.startswith(CHARACTER_ERRORS) else words_of
        return np.array([len(count(clip.spoken)) for clip in self.clips], np.float64)

    def estimates(self, system: str) -> dict[str, Estimate]:
        """Measure -> mean over clips with its bootstrap interval; word errors are pooled.

        A measure whose judge failed on every clip is left out.
        """
        heard = self.heard[system]
        figures = {
            measure: mean(scores)
            for measure, values in heard.values.items()
            if len(scores := values[np.isfinite(values)])
        }
        for measure, errors in heard.errors.items():
            judged = np.isfinite(errors)
            if judged.any():
                figures[measure] = ratio_of_sums(errors[judged], self.units(measure)[judged])
        recorded = self.heard[RECORDINGS].errors if RECORDINGS in self.heard else {}
        if WORD_ERRORS in recorded:
            errors, reference = heard.errors[WORD_ERRORS], recorded[WORD_ERRORS]
            judged = np.isfinite(errors) & np.isfinite(reference)
            if reference[judged].sum() > 0:
                figures[ERROR_RATIO] = ratio_of_sums(errors[judged], reference[judged])
        return figures

    def differences(self, system: str) -> dict[str, Paired]:
        """Measure -> this system minus the baseline, on the clips that both were judged on."""
        if self.baseline is None or system == self.baseline:
            return {}
        one, other = self.heard[system], self.heard[self.baseline]
        found = {}
        for measure, values in one.values.items():
            apart = values - other.values[measure]
            judged = np.isfinite(apart)
            if judged.any():
                found[measure] = paired(apart[judged])
        for measure, errors in one.errors.items():
            apart = errors - other.errors[measure]
            judged = np.isfinite(apart)
            if judged.any():
                found[measure] = paired(apart[judged], self.units(measure)[judged])
        return found


def _mean_of_known(takes: Sequence[Floats]) -> Floats:
    """(clips,) mean of each clip's finite values; NaN where there is none."""
    rows = np.stack(takes)
    known = np.isfinite(rows)
    counts = known.sum(axis=0)
    sums = np.where(known, rows, 0.0).sum(axis=0)
    means = np.full(len(sums), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


SIGNAL_MEASURES: Mapping[str, Callable[[Waveform, int], float]] = {
    "> 4 kHz, dB": high_band_db,
    "level, dB": active_level_db,
    "F0 spread, st": f0_spread_semitones,
    "mel spread, dB": mel_spread_db,
    "seconds": lambda waveform, rate: len(waveform) / rate,
}


def evaluate(
    systems: Mapping[str, System | Sequence[System]],
    clips: Sequence[Clip],
    panel: Panel,
    on_clip: Callable[[], object] = lambda: None,
    *,
    baseline: str | None = None,
    match: bool = True,
    keep: Callable[[str, int, Clip, Waveform], object] = lambda *heard: None,
) -> Quality:
    """Let the panel hear every system say every clip.

    Args:
        systems: name -> what says a clip, at 22,050 Hz, or its takes, one for each noise seed. One
            called "recordings" is what the word errors of the others are compared with.
        clips: the sentences.
        panel: who listens; each listens once to each waveform.
        on_clip: called after each clip of each take, for a progress bar.
        baseline: the system that the others are compared with; the first that isn't "recordings"
            if None.
        match: bring every waveform to the level of its clip's recording first.
        keep: called with system, number of the take, clip and waveform, as the panel hears it.

    Raises:
        InputError: no systems, no clips, an unknown baseline, or a waveform that can't be judged;
            the message has the system and the clip.
    """
    if not systems or not clips:
        raise InputError(f"got {len(systems)} systems and {len(clips)} clips; expected some")
    if baseline is not None and baseline not in systems:
        raise InputError(f"baseline {baseline!r} is unknown; expected one of {', '.join(systems)}")
    listening = _Listening(panel, match, keep)
    heard = {}
    for name, system in systems.items():
        takes = system if isinstance(system, Sequence) else [system]
        heard[name] = Heard(
            [
                listening.take(name, number, take, clips, on_clip)
                for number, take in enumerate(takes)
            ]
        )
    synthetic = [name for name in systems if name != RECORDINGS]
    default = synthetic[0] if synthetic else None
    return Quality(
        clips, heard, panel, baseline or default, listening.failures, listening.silent, match
    )


class _Listening:
    """The panel at work: collects what it heard and what went wrong."""

    def __init__(
        self, panel: Panel, match: bool, keep: Callable[[str, int, Clip, Waveform], object]
    ) -> None:
        self.panel, self.match, self.keep = panel, match, keep
        self.failures: list[Failure] = []
        self.silent: list[str] = []

    def take(
        self,
        name: str,
        number: int,
        system: System,
        clips: Sequence[Clip],
        on_clip: Callable[[], object],
    ) -> Take:
        """All clips, said once."""
        values: dict[str, list[float]] = {}
        transcripts: dict[str, list[str | None]] = {m: [] for m in self.panel.recognisers}
        errors: dict[str, list[float]] = {m: [] for m in self.panel.recognisers}
        for clip in clips:
            try:
                waveform = system(clip)
                check_waveforms([waveform], SAMPLE_RATE)
            except (InputError, EngineError) as error:
                raise InputError(f"{name}, {clip.clip_id}: {error}") from error
            if not waveform.any():
                self.silent.append(f"{name}, {clip.clip_id}")
            heard = waveform
            if self.match:
                heard = at_level(waveform, SAMPLE_RATE, _target_level_db(clip))
            self.keep(name, number, clip, heard)
            at = name, clip.clip_id, number
            for judge in self.panel.judges:
                values.setdefault(judge.name, []).append(self._score(judge, heard, at))
            for measure, function in SIGNAL_MEASURES.items():
                values.setdefault(measure, []).append(function(waveform, SAMPLE_RATE))
            for measure, recogniser in self.panel.recognisers.items():
                said = self._understand(measure, recogniser, heard, at)
                transcripts[measure].append(said)
                wrong = math.nan if said is None else word_errors(clip.spoken, said).errors
                errors[measure].append(wrong)
                letters = math.nan if said is None else character_errors(clip.spoken, said)
                errors.setdefault(characters_measure(measure), []).append(letters)
            on_clip()
        return Take(
            {measure: np.array(found) for measure, found in values.items()},
            transcripts,
            {measure: np.array(found, np.float64) for measure, found in errors.items()},
        )

    def _score(self, judge: Judge, heard: Waveform, at: tuple[str, str, int]) -> float:
        """NaN, and a note of why, if the judge fails; the others still listen."""
        try:
            score = float(judge.score([heard], SAMPLE_RATE)[0])
            reason = "" if math.isfinite(score) else f"its score is {score}"
        except MissingExtraError:
            raise
        except Exception as error:  # whatever a foreign network raises
            score, reason = math.nan, f"{type(error).__name__}: {error}"
        if reason:
            self.failures.append(Failure(*at, judge.name, reason))
            return math.nan
        return score

    def _understand(
        self, measure: str, recogniser: Recogniser, heard: Waveform, at: tuple[str, str, int]
    ) -> str | None:
        """The transcript; None, and a note of why, if the recogniser fails."""
        try:
            return recogniser.transcribe([heard], SAMPLE_RATE)[0]
        except MissingExtraError:
            raise
        except Exception as error:  # as in `_score`
            self.failures.append(Failure(*at, measure, f"{type(error).__name__}: {error}"))
            return None


def _target_level_db(clip: Clip) -> float:
    if clip.recording is None:
        return TYPICAL_LEVEL_DB
    return active_level_db(read_audio(clip.recording), SAMPLE_RATE)
