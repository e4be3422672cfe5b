"""Quality of speech: systems side by side on the same sentences, heard by a panel of judges.

Every waveform is brought to the level of its clip's recording before anyone listens: louder must
not mean better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import InputError
from dlpo.judges.judge import check_waveforms
from dlpo.judges.levels import active_level_db, high_band_db
from dlpo.judges.word_errors import WordErrors, pooled, word_errors
from dlpo_bench.bootstrap import Estimate, mean, ratio_of_sums
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform, read_audio
from dlpo_bench.judging import WORD_ERRORS, Panel
from dlpo_bench.signal_measures import (
    TYPICAL_LEVEL_DB,
    at_level,
    f0_spread_semitones,
)
from dlpo_bench.systems import RECORDINGS, System

SIGNAL_MEASURES: Mapping[str, Callable[[Waveform, int], float]] = {
    "> 4 kHz, dB": high_band_db,
    "level, dB": active_level_db,
    "F0 spread, st": f0_spread_semitones,
    "seconds": lambda waveform, rate: len(waveform) / rate,
}
ERROR_RATIO = "word errors / recordings'"


@dataclass(frozen=True, slots=True)
class Heard:
    """What the panel heard from one system."""

    values: Mapping[str, NDArray[np.float64]]
    """Judge or signal measure -> one value a clip."""
    transcripts: Sequence[str]
    """What the recogniser understood, one a clip; empty without a recogniser."""
    word_errors: Sequence[WordErrors]
    """One a clip; empty without a recogniser."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The outcome of a comparison."""

    clips: Sequence[Clip]
    heard: Mapping[str, Heard]
    """System -> what was heard."""
    panel: Panel

    def estimates(self, system: str) -> dict[str, Estimate]:
        """Measure -> mean over clips with its bootstrap interval; word errors are pooled."""
        heard = self.heard[system]
        figures = {measure: mean(values) for measure, values in heard.values.items()}
        if heard.word_errors:
            errors, words = _counts(heard.word_errors)
            figures[WORD_ERRORS] = ratio_of_sums(errors, words)
            reference = self.heard.get(RECORDINGS)
            if reference is not None and pooled(reference.word_errors).errors:
                figures[ERROR_RATIO] = ratio_of_sums(errors, _counts(reference.word_errors)[0])
        return figures


def evaluate(
    systems: Mapping[str, System],
    clips: Sequence[Clip],
    panel: Panel,
    on_clip: Callable[[], object] = lambda: None,
) -> Quality:
    """Let the panel hear every system say every clip.

    Args:
        systems: name -> what says a clip, at 22,050 Hz. One called "recordings" is what the word
            errors of the others are compared with.
        clips: the sentences.
        panel: who listens.
        on_clip: called after each clip of each system, for a progress bar.

    Raises:
        InputError: no systems, no clips, or a waveform that can't be judged; the message has the
            system and the clip.
    """
    if not systems or not clips:
        raise InputError(f"got {len(systems)} systems and {len(clips)} clips; expected some")
    heard = {}
    for name, system in systems.items():
        rows = []
        for clip in clips:
            try:
                rows.append(_listen(system(clip), clip, panel))
            except InputError as error:
                raise InputError(f"{name}, {clip.clip_id}: {error}") from error
            on_clip()
        heard[name] = Heard(
            {measure: np.array([row[0][measure] for row in rows]) for measure in rows[0][0]},
            [row[1] for row in rows if row[1] is not None],
            [row[2] for row in rows if row[2] is not None],
        )
    return Quality(clips, heard, panel)


def _listen(
    waveform: Waveform, clip: Clip, panel: Panel
) -> tuple[dict[str, float], str | None, WordErrors | None]:
    """Scores and measures of one clip, what was understood, and how wrong that is."""
    check_waveforms([waveform], SAMPLE_RATE)
    levelled = at_level(waveform, SAMPLE_RATE, _target_level_db(clip))
    values = {judge.name: float(judge.score([levelled], SAMPLE_RATE)[0]) for judge in panel.judges}
    for measure, function in SIGNAL_MEASURES.items():
        values[measure] = function(waveform, SAMPLE_RATE)
    if panel.recogniser is None:
        return values, None, None
    transcript = panel.recogniser.transcribe([levelled], SAMPLE_RATE)[0]
    return values, transcript, word_errors(clip.text, transcript)


def _target_level_db(clip: Clip) -> float:
    if clip.recording is None:
        return TYPICAL_LEVEL_DB
    return active_level_db(read_audio(clip.recording), SAMPLE_RATE)


def _counts(counts: Sequence[WordErrors]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Errors (clips,) and words (clips,)."""
    return np.array([c.errors for c in counts]), np.array([c.words for c in counts])
