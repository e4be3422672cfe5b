"""How sentences end: the movement of pitch, and whether a recognizer hears a question.

Measures for texts with kinds (`clips_of_texts`). Praat tracks the pitch: it is under the GPL, an
extra of its own, and only this module imports it.
"""

from __future__ import annotations

import math

import numpy as np

from dlpo.errors import needs
from dlpo.judges.judge import Waveform, check_waveforms
from dlpo.judges.whisper import Whisper

MOVEMENT, RISES = "end movement, st", "ends that rise 3 st"
QUESTION = "question mark"  # followed by the recognizer's name
RISE_ST = 3.0
FRAME_S = 0.005
LAST, BEFORE = 12, (70, 30)  # voiced frames from the end: 60 ms, and 350 to 150 ms
LEAST_VOICED = 45  # frames: 225 ms
KINDS = {
    "yn": "yes/no questions", "wh": "wh-questions", "st": "statements",
    "dq": "declarative questions",
}  # fmt: skip
"""Kinds of text that have a title; others are titled by themselves."""


class EndMovement:
    """How far pitch moves at the end of a clip, and whether that is a rise.

    M is the mean log F0 of the last 60 ms of voiced frames minus that of 350 to 150 ms before the
    end of voicing. A clip with less than 225 ms of voice has no M and counts as not risen.
    """

    names = (MOVEMENT, RISES)

    def __init__(self) -> None:
        """Raises MissingExtraError if Praat is not installed."""
        with needs("praat"):
            import parselmouth
        self._sound = parselmouth.Sound

    def measure(self, waveform: Waveform, sample_rate_hz: int, text: str) -> tuple[float, ...]:
        """See `ClipMeasure`: M in semitones, and 1 or 0; the text is ignored."""
        check_waveforms([waveform], sample_rate_hz)
        pitch = self._sound(waveform.astype(np.float64), sample_rate_hz).to_pitch_ac(
            time_step=FRAME_S,
            pitch_floor=60,
            pitch_ceiling=500,
            voicing_threshold=0.45,
            octave_jump_cost=0.5,
            voiced_unvoiced_cost=0.2,
        )
        hertz = pitch.selected_array["frequency"]
        semitones = 12 * np.log2(hertz[hertz > 0])
        if len(semitones) < LEAST_VOICED:
            return math.nan, 0.0
        start, end = BEFORE
        movement = float(semitones[-LAST:].mean() - semitones[-start:-end].mean())
        return movement, float(movement >= RISE_ST)


class QuestionMark:
    """How much likelier a recognizer finds "?" than "." after a clip's words, in nats."""

    def __init__(self, whisper: Whisper) -> None:
        self._whisper = whisper
        self.names = (f"{QUESTION}, {whisper.name.removeprefix('Whisper ')}",)

    def measure(self, waveform: Waveform, sample_rate_hz: int, text: str) -> tuple[float, ...]:
        """See `ClipMeasure`."""
        return (self._whisper.question_logit(waveform, sample_rate_hz, text),)


def title_of(kind: str, clips: int) -> str:
    """The heading of a kind's tables."""
    return f"**{KINDS.get(kind, kind)}** ({kind}), {clips} clips"
