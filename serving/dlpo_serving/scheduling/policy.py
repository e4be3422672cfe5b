"""What the scheduler aims at, and where it says no."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """All times in seconds; see docs/scheduling.md for how each was chosen."""

    first_audio_s: float = 0.05
    """the deadline of a stream's first chunk after its arrival"""
    max_first_audio_s: float = 0.25
    """a call whose first sound is predicted later than that is refused"""
    utilisation: float = 0.72
    """share of the lanes that admitted streams may need to play without a gap"""
    lead_s: float = 1.0
    """a stream that is further ahead of its listener leaves one lane to newcomers"""
    burst_utilisation: float = 0.6
    """the same of the next seconds, where many begin at once: a chunk may wait for a longer one"""
    reserve_s: float = 2.0
    """audio that each stream is meant to have in store when the server is full"""
    max_untaken_s: float = 30.0
    """audio that waits for its caller; a stream that has so much of it is not computed on"""
    unary_slack_s: float = 2.0
    """how much later than a streamed one a unary call may be computed"""
    max_streams: int = 500
    """calls at the same time, whatever they cost"""
    peer_share: float = 0.9
    """share of streams and lanes that one key, or without keys one connection, may have"""
