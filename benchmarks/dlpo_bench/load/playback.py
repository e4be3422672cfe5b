"""A listener's audio device: what it plays when, and where it runs dry."""

from __future__ import annotations

from collections.abc import Sequence

from dlpo_bench.latency import percentile


class Playback:
    """Plays a stream at its own pace from the first piece on, with nothing held back.

    A piece that arrives after everything before it has been played leaves a gap; the device waits
    for it and plays on. Times are seconds of one clock.
    """

    def __init__(self) -> None:
        self.gaps_s: list[float] = []
        """how long it waited, each time that it ran dry"""
        self.audio_s = 0.0
        """length of what has arrived"""
        self.begins_s: float | None = None
        """when the first piece arrived; None before"""
        self.ends_s = 0.0
        """when everything that has arrived will have been played"""

    @property
    def underrun_s(self) -> float:
        """How long it waited altogether."""
        return sum(self.gaps_s)

    def receive(self, at_s: float, audio_s: float) -> None:
        """A piece of `audio_s` seconds arrives."""
        if self.begins_s is None:
            self.begins_s = self.ends_s = at_s
        self._wait_until(at_s)
        self.audio_s += audio_s
        self.ends_s += audio_s

    def cut(self, at_s: float) -> None:
        """Nobody listens from here on, though more was to come: a gap that lasts counts so far."""
        if self.begins_s is not None:
            self._wait_until(at_s)

    def _wait_until(self, at_s: float) -> None:
        if at_s > self.ends_s:
            self.gaps_s.append(at_s - self.ends_s)
            self.ends_s = at_s


def underrun_figures(playbacks: Sequence[Playback]) -> dict[str, float]:
    """How often and how long listeners waited in mid-speech.

    Returns:
        `underrun_calls`, the share of streams with a gap; `underrun_s`, all gaps together;
        `underrun_share`, of the time from first to last sound; `gap_ms_p95` and `gap_ms_max`, of
        all gaps, 0 where there is none.
    """
    heard = [playback for playback in playbacks if playback.begins_s is not None]
    gaps_ms = [1000 * gap_s for playback in heard for gap_s in playback.gaps_s]
    underrun_s = sum(gaps_ms) / 1000
    listened_s = underrun_s + sum(playback.audio_s for playback in heard)
    return {
        "underrun_calls": sum(bool(p.gaps_s) for p in heard) / len(heard) if heard else 0.0,
        "underrun_s": underrun_s,
        "underrun_share": underrun_s / listened_s if listened_s else 0.0,
        "gap_ms_p95": percentile(gaps_ms, 95) if gaps_ms else 0.0,
        "gap_ms_max": max(gaps_ms, default=0.0),
    }
