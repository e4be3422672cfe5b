"""Quality of speech: systems side by side on the same sentences, heard by a panel of judges.

Every waveform is brought to the level of its clip's recording before anyone listens: louder must
not mean better. A system may say each sentence several times, once a noise seed; its takes are
averaged first, so that the sentence stays the unit of every interval and test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import InputError
from dlpo.judges.judge import Judge, Recogniser, check_waveforms
from dlpo.judges.levels import active_level_db, high_band_db
from dlpo.judges.word_errors import word_errors, words_of
from dlpo_bench.bootstrap import Estimate, mean, ratio_of_sums
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform, read_audio
from dlpo_bench.judging import WORD_ERRORS, Panel
from dlpo_bench.paired import Paired, paired
from dlpo_bench.signal_measures import TYPICAL_LEVEL_DB, at_level, f0_spread_semitones
from dlpo_bench.systems import RECORDINGS, System

Floats = NDArray[np.float64]
LEVEL = "level, dB"
SIGNAL_MEASURES: Mapping[str, Callable[[Waveform, int], float]] = {
    "> 4 kHz, dB": high_band_db,
    LEVEL: active_level_db,
    "F0 spread, st": f0_spread_semitones,
    "seconds": lambda waveform, rate: len(waveform) / rate,
}
ERROR_RATIO = "word errors / recordings'"


@dataclass(frozen=True, slots=True)
class Take:
    """What the panel heard when a system said all clips once."""

    values: Mapping[str, Floats]
    """Judge or signal measure -> (clips,) values; NaN where the judge failed."""
    transcripts: Mapping[str, Sequence[str | None]]
    """Measure of a recogniser -> what it understood of each clip; None where it failed."""
    errors: Mapping[str, Floats]
    """Measure of a recogniser -> (clips,) wrong words; NaN where it failed."""


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
        """Measure of a recogniser -> (clips,) wrong words, a mean over takes as `values`."""
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

    @property
    def words(self) -> Floats:
        """(clips,) words to be understood."""
        return np.array([len(words_of(clip.spoken)) for clip in self.clips], np.float64)

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
                figures[measure] = ratio_of_sums(errors[judged], self.words[judged])
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
                found[measure] = paired(apart[judged], self.words[judged])
        return found


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
            except InputError as error:
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
        except Exception as error:  # as in `_score`
            self.failures.append(Failure(*at, measure, f"{type(error).__name__}: {error}"))
            return None


def _mean_of_known(takes: Sequence[Floats]) -> Floats:
    """(clips,) mean of each clip's finite values; NaN where there is none."""
    rows = np.stack(takes)
    known = np.isfinite(rows)
    counts = known.sum(axis=0)
    sums = np.where(known, rows, 0.0).sum(axis=0)
    means = np.full(len(sums), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def _target_level_db(clip: Clip) -> float:
    if clip.recording is None:
        return TYPICAL_LEVEL_DB
    return active_level_db(read_audio(clip.recording), SAMPLE_RATE)
