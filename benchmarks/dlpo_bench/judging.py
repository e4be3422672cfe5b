"""A panel of judges scores systems on the same sentences; means, differences, intervals.

Every waveform first gets the level of its clip's recording and equal pauses at its ends, so that
neither loudness nor silence scores. The takes of a system, one per noise seed, are averaged first,
so that the sentence remains the unit of every interval and test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import (
    CheckpointError,
    EngineError,
    InputError,
    MissingExtraError,
    needs,
    pip_install,
)
from dlpo.judges import WEIGHTS
from dlpo.judges.distillmos import DistillMOS
from dlpo.judges.dnsmos import Dnsmos
from dlpo.judges.judge import (
    TYPICAL_LEVEL_DB,
    Judge,
    Recognizer,
    active_level_db,
    at_level,
    check_waveforms,
    high_band_db,
)
from dlpo.judges.nisqa import Nisqa
from dlpo.judges.pocketsphinx import PocketSphinx
from dlpo.judges.speaker import SpeakerEncoder, SpeakerSimilarity
from dlpo.judges.whisper import Whisper
from dlpo.judges.word_errors import character_errors, characters_of, word_errors, words_of
from dlpo_bench.clips import SAMPLE_RATE, SUFFIXES, Clip, Waveform, read_audio
from dlpo_bench.signals import (
    f0_spread_semitones,
    mel_spread_db,
    with_ends,
)
from dlpo_bench.statistics import Estimate, Paired, mean, paired, ratio_of_sums
from dlpo_bench.systems import RECORDINGS, Say

WORD_ERRORS, CHARACTER_ERRORS = "word errors", "character errors"
REFERENCE_EVERY = 10  # every n-th clip of the corpus is a reference for its speaker
Floats = NDArray[np.float64]
ERROR_RATIO = "word errors / recordings'"
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


def load_panel(
    weights: Path,
    whisper: Sequence[Path] = (),
    utmos: Path | None = None,
    speaker: tuple[Path, Path] | None = None,
) -> JudgePanel:
    """Load every judge whose weights are available.

    Args:
        weights: directory with nisqa.tar, nisqa_tts.tar and dnsmos_model_v8.onnx. DistillMOS and
            the recognizer bring their own; a judge without weights is left out.
        whisper: directories of Whisper checkpoints, each of which adds word and character errors
            named after its directory.
        utmos: file of UTMOS's weights.
        speaker: file of the speaker encoder's weights, and the corpus (with wavs/) of the speaker
            that clips are compared with.

    Raises:
        InputError: no judge is available.
        CheckpointError, MissingExtraError: Whisper, UTMOS or the speaker encoder was requested but
            is not available.
        DataError: a recording of the speaker can't be read.
    """
    judges: list[Judge] = []
    recognizers: dict[str, Recognizer] = {}
    left_out = {}
    makers: dict[str, Callable[[], Judge]] = {
        "DistillMOS": DistillMOS,
        "NISQA": lambda: Nisqa(weights / WEIGHTS["NISQA"]),
        "NISQA-TTS": lambda: Nisqa(weights / WEIGHTS["NISQA-TTS"]),
        "DNSMOS P.808": lambda: Dnsmos(weights / WEIGHTS["DNSMOS P.808"]),
    }
    for name, make in makers.items():
        try:
            judges.append(make())
        except (CheckpointError, MissingExtraError) as error:
            left_out[name] = str(error)
    if utmos is not None:
        with needs("bench"):
            from dlpo.judges.utmos import Utmos
        judges.append(Utmos(utmos))
    try:
        recognizers[WORD_ERRORS] = PocketSphinx()
    except (InputError, MissingExtraError) as error:
        left_out[WORD_ERRORS] = str(error)
    if speaker is not None:
        files = sorted(f for f in (speaker[1] / "wavs").glob("*") if f.suffix in SUFFIXES)
        recordings = [read_audio(file) for file in files[::REFERENCE_EVERY]]
        judges.append(SpeakerSimilarity(SpeakerEncoder(speaker[0]), recordings, SAMPLE_RATE))
    for directory in whisper:
        recognizers[f"{WORD_ERRORS}, {directory.resolve().name}"] = Whisper(directory)
    if not judges and not recognizers:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InputError(f"no judge is available ({reasons}); run: {pip_install('bench')}")
    return JudgePanel(judges, recognizers, left_out)


@dataclass(frozen=True, slots=True)
class Take:
    """Scores of one pass of a system over all clips."""

    values: Mapping[str, Floats]
    """Judge or signal measure -> (clips,) values; NaN where the judge failed."""
    transcripts: Mapping[str, Sequence[str | None]]
    """Recognizer's measure -> its transcript of each clip; None where it failed."""
    errors: Mapping[str, Floats]
    """Recognizer's measure -> (clips,) wrong words or characters; NaN where it failed."""


@dataclass(frozen=True, slots=True)
class SystemScores:
    """Scores of one system."""

    takes: Sequence[Take]
    """One per noise seed."""

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
class Failure:
    """A judge that could not judge a waveform."""

    system: str
    clip_id: str
    take: int
    measure: str
    reason: str


@dataclass(frozen=True, slots=True)
class Quality:
    """The result of a comparison."""

    clips: Sequence[Clip]
    scores: Mapping[str, SystemScores]
    """By system."""
    panel: JudgePanel
    baseline: str | None
    """The system that the others are compared with; None if there are no others."""
    failures: Sequence[Failure]
    silent: Sequence[str]
    """"system, clip" of every silent waveform."""
    matched: bool
    """Whether all waveforms were brought to one level and got equal ends."""

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
        recorded = self.scores[RECORDINGS].errors if RECORDINGS in self.scores else {}
        if WORD_ERRORS in recorded:
            errors, reference = scores.errors[WORD_ERRORS], recorded[WORD_ERRORS]
            judged = np.isfinite(errors) & np.isfinite(reference)
            if reference[judged].sum() > 0:
                found[ERROR_RATIO] = ratio_of_sums(errors[judged], reference[judged])
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
        systems: name -> what speaks a clip, at 22,050 Hz, or its takes, one per noise seed. The
            word errors of the others are compared with those of one called "recordings".
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
    if baseline is not None and baseline not in systems:
        raise InputError(f"baseline {baseline!r} is unknown; expected one of {', '.join(systems)}")
    failures: list[Failure] = []
    silent: list[str] = []
    scores = {}
    for name, system in systems.items():
        takes = []
        for number, say in enumerate(system if isinstance(system, Sequence) else [system]):
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
            takes.append(_take(rows))
        scores[name] = SystemScores(takes)
    default = next((name for name in systems if name != RECORDINGS), None)
    return Quality(clips, scores, panel, baseline or default, failures, silent, match)


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

    def attempt(measure: str, judge: Callable[..., Any], failed: Any) -> Any:
        try:
            found = judge([judged], SAMPLE_RATE)[0]
        except MissingExtraError:
            raise
        except Exception as error:  # third-party networks may raise anything
            failures.append(Failure(*at, measure, f"{type(error).__name__}: {error}"))
            return failed
        if not isinstance(found, str) and not math.isfinite(found):
            failures.append(Failure(*at, measure, f"its score is {found}"))
            return failed
        return found

    values = {j.name: float(attempt(j.name, j.score, math.nan)) for j in panel.judges}
    values |= {name: measure(waveform, SAMPLE_RATE) for name, measure in SIGNAL_MEASURES.items()}
    transcripts: dict[str, str | None] = {}
    errors: dict[str, float] = {}
    for measure, recognizer in panel.recognizers.items():
        text = attempt(measure, recognizer.transcribe, None)
        transcripts[measure] = text
        errors[measure] = math.nan if text is None else word_errors(clip.spoken, text).errors
        letters = math.nan if text is None else character_errors(clip.spoken, text)
        errors[measure.replace(WORD_ERRORS, CHARACTER_ERRORS)] = letters
    return values, transcripts, errors
