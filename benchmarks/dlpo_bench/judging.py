"""A panel of judges scores systems on the same sentences; means, differences, intervals.

Every waveform first gets the level of its clip's recording and equal pauses at its ends, so that
neither loudness nor silence scores. The takes of a system, one per noise seed, are averaged first,
so that the sentence remains the unit of every interval and test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import EngineError, InputError, MissingExtraError
from dlpo.judges.judge import (
    TYPICAL_LEVEL_DB,
    ClipMeasure,
    Judge,
    Recognizer,
    active_level_db,
    at_level,
    check_waveforms,
    high_band_db,
)
from dlpo.judges.word_errors import character_errors, characters_of, word_errors, words_of
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform, read_audio
from dlpo_bench.signals import f0_spread_semitones, mel_spread_db, with_ends
from dlpo_bench.statistics import Estimate, Paired, mean, paired, ratio_of_sums
from dlpo_bench.systems import RECORDINGS, Say

WORD_ERRORS, CHARACTER_ERRORS = "word errors", "character errors"
ERROR_KINDS = {"left out": "left_out", "added": "added", "repeated": "repeated"}
"""Kind of word error -> field of `WordErrors`"""
Floats = NDArray[np.float64]
SIGNAL_MEASURES: Mapping[str, Callable[[Waveform, int], float]] = {
    "> 4 kHz, dB": high_band_db,
    "level, dB": active_level_db,
    "F0 spread, st": f0_spread_semitones,
    "mel spread, dB": mel_spread_db,
    "seconds": lambda waveform, rate: len(waveform) / rate,
}
Row = tuple[dict[str, float], dict[str, str | None], dict[str, float]]
"""Values, transcripts and errors of one clip; `Take` has those of all clips."""


@dataclass(frozen=True, slots=True)
class JudgePanel:
    """Judges and recognizers that score a waveform."""

    judges: Sequence[Judge]
    recognizers: Mapping[str, Recognizer]
    """Word-error measure -> recognizer."""
    left_out: Mapping[str, str]
    """Unavailable judge -> why."""
    measures: Sequence[ClipMeasure] = ()
    """What gives several figures of a clip, or needs its text."""


@dataclass(frozen=True, slots=True)
class Take:
    """Scores of one pass of a system over all clips."""

    values: Mapping[str, Floats]
    """Judge or signal measure -> (clips,) values; NaN where the judge failed."""
    transcripts: Mapping[str, Sequence[str | None]]
    """Recognizer's measure -> its transcript of each clip; None where it failed."""
    errors: Mapping[str, Floats]
    """Recognizer's measure -> (clips,) wrong words or characters; NaN where it failed."""

    def of(self, clips: Sequence[int]) -> Take:
        """The scores of some clips, by their places."""
        places = list(clips)
        return Take(
            {measure: values[places] for measure, values in self.values.items()},
            {measure: [texts[i] for i in places] for measure, texts in self.transcripts.items()},
            {measure: errors[places] for measure, errors in self.errors.items()},
        )


class Failure(NamedTuple):
    """A judge that could not judge a waveform."""

    system: str
    clip_id: str
    take: int
    measure: str
    reason: str


@dataclass(frozen=True, slots=True)
class SystemScores:
    """Scores of one system."""

    takes: Sequence[Take]
    """One per noise seed."""
    failures: Sequence[Failure] = ()
    silent: Sequence[str] = ()
    """"system, clip" of every silent waveform."""

    @property
    def values(self) -> dict[str, Floats]:
        """Measure -> (clips,) mean over the takes that could be judged; NaN if none could."""
        return {m: _mean_of_known([t.values[m] for t in self.takes]) for m in self.takes[0].values}

    @property
    def errors(self) -> dict[str, Floats]:
        """Recognizer's measure -> (clips,) wrong words or characters, averaged over takes."""
        return {m: _mean_of_known([t.errors[m] for t in self.takes]) for m in self.takes[0].errors}


def _mean_of_known(takes: Sequence[Floats]) -> Floats:
    """(clips,) mean of each clip's finite values; NaN if there are none."""
    rows = np.ma.masked_invalid(np.stack(takes))
    means: Floats = rows.mean(axis=0).filled(np.nan)
    return means


@dataclass(frozen=True, slots=True)
class Quality:
    """The result of a comparison."""

    clips: Sequence[Clip]
    scores: Mapping[str, SystemScores]
    """By system."""
    panel: JudgePanel
    baseline: str | None
    """The system that the others are compared with; None if there are no others."""
    matched: bool
    """Whether all waveforms were brought to one level and got equal ends."""

    @property
    def failures(self) -> list[Failure]:
        """Of all systems."""
        return [failure for scores in self.scores.values() for failure in scores.failures]

    @property
    def silent(self) -> list[str]:
        """ "system, clip" of every silent waveform."""
        return [clip for scores in self.scores.values() for clip in scores.silent]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the clips, in order of appearance; empty if they have none."""
        return list(dict.fromkeys(clip.kind for clip in self.clips if clip.kind is not None))

    def without(self, measure: str) -> dict[str, int]:
        """System -> number of its clips, of all takes, that have no value of a measure."""
        lost = {
            system: sum(int(np.isnan(take.values[measure]).sum()) for take in heard.takes)
            for system, heard in self.scores.items()
            if measure in heard.takes[0].values
        }
        return {system: number for system, number in lost.items() if number}

    def of_kind(self, kind: str) -> Quality:
        """The same of the clips of one kind."""
        places = [i for i, clip in enumerate(self.clips) if clip.kind == kind]
        scores = {
            system: replace(heard, takes=[take.of(places) for take in heard.takes])
            for system, heard in self.scores.items()
        }
        return replace(self, clips=[self.clips[i] for i in places], scores=scores)

    def units(self, measure: str) -> Floats:
        """(clips,) number of words, or of characters, whichever the measure counts errors in."""
        count = characters_of if measure.startswith(CHARACTER_ERRORS) else words_of
        return np.array([len(count(clip.spoken)) for clip in self.clips], np.float64)

    def estimates(self, system: str) -> dict[str, Estimate]:
        """Measure -> mean over clips with its bootstrap interval; word errors are pooled.

        A measure whose judge failed on every clip is left out.
        """
        scores = self.scores[system]
        found = {
            measure: mean(known)
            for measure, values in scores.values.items()
            if len(known := values[np.isfinite(values)])
        }
        for measure, errors in scores.errors.items():
            judged = np.isfinite(errors)
            if judged.any():
                found[measure] = ratio_of_sums(errors[judged], self.units(measure)[judged])
        return found

    def differences(self, system: str) -> dict[str, Paired]:
        """Measure -> this system minus the baseline, over the clips both were judged on."""
        if self.baseline is None or system == self.baseline:
            return {}
        one, other = self.scores[system], self.scores[self.baseline]
        rows: list[tuple[str, Floats, Floats | None]] = [
            (m, v - other.values[m], None) for m, v in one.values.items()
        ]
        rows += [(m, e - other.errors[m], self.units(m)) for m, e in one.errors.items()]
        return {
            measure: paired(apart[judged], None if units is None else units[judged])
            for measure, apart, units in rows
            if (judged := np.isfinite(apart)).any()
        }


def evaluate(
    systems: Mapping[str, Say | Sequence[Say]],
    clips: Sequence[Clip],
    panel: JudgePanel,
    on_clip: Callable[[], object] = lambda: None,
    *,
    baseline: str | None = None,
    match: bool = True,
    keep: Callable[[str, int, Clip, Waveform], object] = lambda *judged: None,
) -> Quality:
    """Let the panel score every system on every clip.

    Args:
        systems: name -> what speaks a clip, at 22,050 Hz, or its takes, one per noise seed.
        on_clip: called after each clip of each take, for a progress bar.
        baseline: the system that the others are compared with; None is the first that isn't
            "recordings".
        match: give every waveform the level of its clip's recording and equal pauses at its ends.
        keep: called with system, take number, clip and waveform, as the panel scores it.

    Raises:
        InputError: no systems, no clips, an unknown baseline, or a waveform that can't be judged;
            the message names the system and the clip.
    """
    if not systems or not clips:
        raise InputError(f"got {len(systems)} systems and {len(clips)} clips; expected some")
    check_baseline(baseline, systems)
    judged = {
        name: judge_system(
            name, takes if isinstance(takes, Sequence) else [takes], clips, panel, on_clip,
            match=match, keep=keep,
        )
        for name, takes in systems.items()
    }  # fmt: skip
    return together(judged, clips, panel, baseline=baseline, match=match)


def check_baseline(baseline: str | None, systems: Mapping[str, object]) -> None:
    """Refuse one that isn't among the systems.

    Raises:
        InputError: it isn't.
    """
    if baseline is not None and baseline not in systems:
        raise InputError(f"baseline {baseline!r} is unknown; expected one of {', '.join(systems)}")


def judge_system(
    name: str,
    takes: Sequence[Say],
    clips: Sequence[Clip],
    panel: JudgePanel,
    on_clip: Callable[[], object] = lambda: None,
    *,
    match: bool = True,
    keep: Callable[[str, int, Clip, Waveform], object] = lambda *judged: None,
) -> SystemScores:
    """Let the panel score one system on every clip; arguments and errors as in `evaluate`."""
    failures: list[Failure] = []
    silent: list[str] = []
    scored = []
    for number, say in enumerate(takes):
        rows = []
        for clip in clips:
            at = name, clip.clip_id, number
            try:
                waveform = say(clip)
                check_waveforms([waveform], SAMPLE_RATE)
            except (InputError, EngineError) as error:
                raise InputError(f"{name}, {clip.clip_id}: {error}") from error
            if not waveform.any():
                silent.append(f"{name}, {clip.clip_id}")
            judged, level_db = waveform, TYPICAL_LEVEL_DB
            if match and clip.recording:
                level_db = active_level_db(read_audio(clip.recording), SAMPLE_RATE)
            if match:
                level = at_level(waveform, SAMPLE_RATE, level_db)
                judged = with_ends(level, SAMPLE_RATE)
            keep(name, number, clip, judged)
            rows.append(_score(panel, clip, waveform, judged, at, failures))
            on_clip()
        scored.append(_take(rows))
    return SystemScores(scored, failures, silent)


def together(
    judged: Mapping[str, SystemScores],
    clips: Sequence[Clip],
    panel: JudgePanel,
    *,
    baseline: str | None,
    match: bool,
) -> Quality:
    """Systems that one panel has judged on the same clips; arguments as in `evaluate`."""
    default = next((name for name in judged if name != RECORDINGS), None)
    return Quality(clips, judged, panel, baseline or default, match)


def _take(rows: Sequence[Row]) -> Take:
    values, transcripts, errors = zip(*rows, strict=True)
    return Take(
        {m: np.array([row[m] for row in values]) for m in values[0]},
        {m: [row[m] for row in transcripts] for m in transcripts[0]},
        {m: np.array([row[m] for row in errors], np.float64) for m in errors[0]},
    )


def _score(
    panel: JudgePanel, clip: Clip, waveform: Waveform, judged: Waveform, at: tuple[str, str, int],
    failures: list[Failure],
) -> Row:  # fmt: skip
    """Run all judges on one waveform; one that fails yields NaN or None and a note of why.

    Args:
        waveform: as spoken, for the signal measures.
        judged: the same at the level of the recording and with equal ends.
    """

    def attempt(names: Sequence[str], failed: Any, judge: Callable[..., Any], *given: Any) -> Any:
        try:
            return judge(*given)
        except MissingExtraError:
            raise
        except Exception as error:  # third-party networks may raise anything
            reason = f"{type(error).__name__}: {error}"
            failures.extend(Failure(*at, name, reason) for name in names)
            return failed

    values = {one.name: attempt([one.name], math.nan, _finite, one, judged) for one in panel.judges}
    for several in panel.measures:
        failed = (math.nan,) * len(several.names)
        given = judged, SAMPLE_RATE, clip.text
        found = attempt(several.names, failed, several.measure, *given)
        values |= dict(zip(several.names, found, strict=True))
    values |= {name: measure(waveform, SAMPLE_RATE) for name, measure in SIGNAL_MEASURES.items()}
    transcripts: dict[str, str | None] = {}
    errors: dict[str, float] = {}
    for measure, recognizer in panel.recognizers.items():
        heard = attempt([measure], [None], recognizer.transcribe, [judged], SAMPLE_RATE)
        transcripts[measure] = heard[0]
        errors |= _errors_of(measure, clip.spoken, heard[0])
    return values, transcripts, errors


def _finite(judge: Judge, waveform: Waveform) -> float:
    """A waveform's score; ValueError if it is none."""
    score = float(judge.score([waveform], SAMPLE_RATE)[0])
    if not math.isfinite(score):
        raise ValueError(f"its score is {score}")
    return score


def error_fields(measure: str) -> dict[str, str]:
    """A recognizer's measure and its kinds -> field of `WordErrors`."""
    kinds = {f"{measure}, {kind}": field for kind, field in ERROR_KINDS.items()}
    return {measure: "errors", **kinds}


def _errors_of(measure: str, spoken: str, heard: str | None) -> dict[str, float]:
    """Wrong words and characters by measure; NaN if the recognizer failed."""
    of_characters, fields = measure.replace(WORD_ERRORS, CHARACTER_ERRORS), error_fields(measure)
    if heard is None:
        return dict.fromkeys((*fields, of_characters), math.nan)
    words = word_errors(spoken, heard)
    found = {name: getattr(words, field) for name, field in fields.items()}
    return found | {of_characters: character_errors(spoken, heard)}
