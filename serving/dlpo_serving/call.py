"""What a caller wants, and what one call may take."""

from __future__ import annotations

from dataclasses import dataclass

from dlpo_serving.encodings import AudioFormat, Encoding, usual_format
from dlpo_serving.request import SpeechRequest


@dataclass(frozen=True, slots=True)
class SynthesisCall:
    """What a caller wants, whichever door it came through."""

    request: SpeechRequest
    """how to speak; its text is empty where the text comes in pieces"""
    voice: str = ""
    """the server's default if empty"""
    encoding: Encoding = Encoding.PCM_S16
    sample_rate_hz: int | None = None
    """of the reply; None is `usual_format`'s"""
    timeout_s: float | None = None
    """after which the caller will not listen any more"""
    streamed: bool = True
    """played while it is made; else sent when all is made"""

    def format(self, voice_rate_hz: int) -> AudioFormat:
        """What the reply is to be encoded as; raises RequestError where that can't be."""
        if self.sample_rate_hz is None:
            return usual_format(self.encoding, voice_rate_hz)
        return AudioFormat(self.encoding, self.sample_rate_hz)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take."""

    max_characters: int = 10_000
    """longest text"""
    stall_s: float = 30.0
    """seconds that a caller may leave its audio untaken; then it loses its place"""
    first_text_s: float = 30.0
    """seconds that a caller may let pass before the first piece of its text; likewise"""
    pause_s: float = 300.0
    """seconds that a caller may let pass between two pieces of its text; likewise"""
    text_wait_s: float = 10.0
    """seconds that further text of a call may wait until the server has room for it"""
