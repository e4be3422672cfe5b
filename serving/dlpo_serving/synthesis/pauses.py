"""How long the silences between the sentences of a request are. Needs no numpy."""

from __future__ import annotations

from dlpo.text import Sentence
from dlpo_serving.request import SpeechRequest

SENTENCE_PAUSE_S = 0.2  # between sentences at speed 1, in addition to the final mark's own pause
PARAGRAPH_PAUSE_S = 0.5  # the same after an empty line
CLAUSE_PAUSE_S = 0.12  # where a sentence still being written was cut at the end of a clause


class Pauses:
    """The silences of one request; its sentences come in order, `before` and then `after`."""

    def __init__(self, request: SpeechRequest, speed: float | None = None) -> None:
        """`speed`: None means that of the request."""
        self._request = request
        self._speed = request.speed if speed is None else speed
        self._next_s: float | None = request.lead_in_s or 0.0  # None: as the next sentence asks

    def before(self, sentence: Sentence) -> float:
        """Seconds of silence before a sentence."""
        request, pause_s = self._request, self._next_s
        if pause_s is None:
            asked_s = request.sentence_pause_s
            default_s = SENTENCE_PAUSE_S
            if sentence.opens_paragraph:
                asked_s = request.paragraph_pause_s
                default_s = PARAGRAPH_PAUSE_S
            pause_s = default_s / self._speed if asked_s is None else asked_s
        return pause_s + sentence.pause_before_s

    def after(self, sentence: Sentence) -> float:
        """Seconds of silence that belong to a sentence; `before` is for the next one from now."""
        self._next_s = None
        if sentence.pause_after_s is not None:
            self._next_s = 0.0
        elif sentence.words[-1].mark not in ".!?":
            self._next_s = CLAUSE_PAUSE_S / self._speed
        return sentence.pause_after_s or 0.0
