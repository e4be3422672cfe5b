"""Quality of speech: systems side by side on the same sentences, heard by a panel of judges.

Every waveform is brought to the level of its clip's recording before anyone listens: louder must
not mean better. A system may say each sentence several times, once a noise seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from dlpo.errors import EngineError, InputError, MissingExtraError
from dlpo.judges.judge import Judge, Recogniser, check_waveforms
from dlpo.judges.levels import active_level_db, high_band_db
from dlpo.judges.word_errors import character_errors, word_errors
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform, read_audio
from dlpo_bench.heard import Failure, Heard, Quality, Take
from dlpo_bench.judging import Panel, characters_measure
from dlpo_bench.signal_measures import (
    TYPICAL_LEVEL_DB,
    at_level,
    f0_spread_semitones,
    mel_spread_db,
)
from dlpo_bench.systems import RECORDINGS, System

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
