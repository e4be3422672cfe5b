"""The pace at which a text lasts as long as its caller asks, to the sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlpo.bundle import Manifest
from dlpo.text import Sentence
from dlpo.text.symbols import FIRST_PHONEME
from dlpo_serving.engine import EncoderOutput
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesis.pauses import Pauses
from dlpo_serving.synthesis.timing import spoken_frames

SLOWEST, FASTEST = 0.7, 1.6  # times the voice's own pace: beyond, speech is no longer natural
_HALVINGS = 24  # of that range: far finer than a frame of any text


@dataclass(frozen=True, slots=True)
class FittedPace:
    """How fast a text is spoken, and what is left of its time."""

    speed: float
    rest: int = 0
    """samples of silence after the text"""
    warning: str = ""
    """that the text doesn't fit; empty if it does"""


def fitted(
    sentences: Sequence[tuple[Sentence, EncoderOutput]], request: SpeechRequest, manifest: Manifest
) -> FittedPace:
    """The pace at which all sentences, with their pauses, last `request.duration_s`.

    Args:
        sentences: of the whole text, encoded.
        manifest: of the voice; its own range of speeds bounds the pace, too.
    """
    rate_hz = manifest.sample_rate_hz
    wanted = round((request.duration_s or 0.0) * rate_hz)

    def samples(speed: float) -> int:
        pauses, total = Pauses(request, speed), 0
        for sentence, encoding in sentences:
            total += round(pauses.before(sentence) * rate_hz)
            counts = spoken_frames(
                encoding.durations[0],
                np.array(sentence.symbol_ids()) < FIRST_PHONEME,
                speed * np.array(sentence.per_symbol("speed")),
                manifest.grid.end_frames,
            )
            total += int(counts.sum()) * manifest.hop_length
            total += round(pauses.after(sentence) * rate_hz)
        return total

    slow, fast = max(SLOWEST, manifest.prosody.speed[0]), min(FASTEST, manifest.prosody.speed[1])
    if (least := samples(fast)) > wanted:
        longer = f"takes {least / rate_hz:.2f} s even at {fast:g} times its usual pace"
        return FittedPace(
            fast, 0, f"the speech {longer}, {(least - wanted) / rate_hz:.2f} s too long"
        )
    if (most := samples(slow)) < wanted:
        ends = f"ends after {most / rate_hz:.2f} s even at {slow:g} times its usual pace"
        return FittedPace(slow, wanted - most, f"the speech {ends}; the rest is silence")
    for _ in range(_HALVINGS):
        middle = (slow + fast) / 2
        if samples(middle) > wanted:
            slow = middle
        else:
            fast = middle
    return FittedPace(fast, wanted - samples(fast))
