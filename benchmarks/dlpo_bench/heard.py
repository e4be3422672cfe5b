"""What a panel of judges heard, and what follows from it: means, differences, intervals.

The takes of a system, one for each noise seed, are averaged first, so that the sentence stays the
unit of every interval and test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlpo.judges.word_errors import characters_of, words_of
from dlpo_bench.bootstrap import Estimate, mean, ratio_of_sums
from dlpo_bench.clips import Clip
from dlpo_bench.judging import CHARACTER_ERRORS, WORD_ERRORS, Panel
from dlpo_bench.paired import Paired, paired
from dlpo_bench.systems import RECORDINGS

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
