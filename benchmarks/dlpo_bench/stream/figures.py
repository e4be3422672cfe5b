"""What a level of load says about a server, and about the clients that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import grpc

from dlpo_bench.latency import percentile
from dlpo_bench.load.caller import Heard
from dlpo_bench.load.playback import underrun_figures
from dlpo_bench.stream.shares import Asked, Level, ShareResult

GOOD_SHARE = 0.99  # of what is offered, that must be heard without a gap
CLIENT_CPU_LIMIT = 0.9  # of its core
LATE_LIMIT_MS = 20.0  # p95; a client that is later than that shapes the load itself

Samples = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Played:
    """A level that was played."""

    level: Level
    figures: dict[str, float]
    samples: Samples
    """what `figures` were computed from: milliseconds"""
    audio_s: float
    """seconds of audio that came, before the calls count too"""

    def passes(self, limit_ms: float) -> bool:
        """Nearly all that was asked for was heard without a gap, and began in time."""
        first_ms = self.figures.get("first_audio_ms_p95", inf)
        return self.figures["good_share"] >= GOOD_SHARE and first_ms <= limit_ms

    @property
    def client_warnings(self) -> list[str]:
        """Why the client, not the server, may be what this level measured."""
        found = []
        if (cpu := self.figures["client_cpu_most"]) > CLIENT_CPU_LIMIT:
            found.append(f"a client process used {100 * cpu:.0f} % of its core")
        if (late_ms := self.figures.get("late_ms_p95", 0.0)) > LATE_LIMIT_MS:
            found.append(f"clients were {late_ms:.0f} ms late to call (p95)")
        return found


def merge(level: Level, results: Sequence[ShareResult], start_s: float) -> Played:
    """The figures of a level.

    Returns:
        Of the calls that count: percentiles of first audio, gaps as `underrun_figures` has them,
        the shares that were refused and that failed, and `good_share`, of all characters that were
        asked for, those in calls that were heard to the end without a gap: nobody knows how long
        the speech of a refused call had been. `goodput_audio_s_per_s`: seconds of speech heard in
        such calls, for each second of the level.

    Args:
        results: of the client processes.
        start_s: since when calls count; what was sent before loads, and is not judged.
    """
    every = [call for result in results for call in result.calls]
    calls = [call for call in every if call.heard.sent_s >= start_s]
    samples = {
        "first_audio_ms": [_waited_ms(call) for call in calls if _answered(call.heard)],
        "gap_ms": [1000 * gap_s for call in calls for gap_s in call.heard.playback.gaps_s],
        "refusal_ms": [_waited_ms(call) for call in calls if call.heard.refused],
        "late_ms": [1000 * call.late_s for call in calls],
    }
    offered = sum(call.characters for call in calls)
    well = sum(call.characters for call in calls if heard_well(call))
    lasts_s = level.ramp_s + level.level_s - level.counts_from_s
    if level.loop == "open":  # what is asked for in the time: what plays needs longer to settle
        goodput_s = sum(call.heard.playback.audio_s for call in calls if heard_well(call))
    else:  # listeners are all there: what plays in the time
        end_s = start_s + lasts_s
        goodput_s = sum(_playing_s(call, start_s, end_s) for call in every if heard_well(call))
    figures = {
        "load": level.load,
        "calls": len(calls),
        **_percentiles("first_audio_ms", samples["first_audio_ms"], (50, 95, 99)),
        **underrun_figures([call.heard.playback for call in calls]),
        "goodput_audio_s_per_s": goodput_s / lasts_s,
        "good_share": _share(well, offered),
        "shed_share": _share(len(samples["refusal_ms"]), len(calls)),
        "failed_share": _share(sum(_failed(call) for call in calls), len(calls)),
        **_percentiles("refusal_ms", samples["refusal_ms"], (95,)),
        **_percentiles("late_ms", samples["late_ms"], (95,)),
        "client_cpu_most": max((result.cpu_share for result in results), default=0.0),
    }
    audio_s = sum(call.heard.playback.audio_s for call in every)
    return Played(level, figures, samples, audio_s)


def heard_well(call: Asked) -> bool:
    """It ended well, had sound, and no gap."""
    heard = call.heard
    ended = heard.code == grpc.StatusCode.OK
    return ended and heard.first_audio_s is not None and not heard.playback.gaps_s


def _playing_s(call: Asked, start_s: float, end_s: float) -> float:
    """For how long a call without gaps played between two times."""
    playback = call.heard.playback
    begins_s = end_s if playback.begins_s is None else playback.begins_s
    return max(0.0, min(playback.ends_s, end_s) - max(begins_s, start_s))


def broken(results: Sequence[ShareResult]) -> str:
    """What a call said that ended as calls do when a server is gone; empty where none did."""
    for result in results:
        for call in result.calls:
            if call.heard.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN):
                return f"{call.heard.code.name} {call.heard.detail}".strip()
    return ""


def failures(results: Sequence[ShareResult]) -> Mapping[str, int]:
    """How often calls failed, by what they were told."""
    found: dict[str, int] = {}
    for result in results:
        for call in result.calls:
            if _failed(call):
                heard = call.heard
                reason = f"{heard.code.name}: {heard.detail}" if heard.code else "did not end"
                found[reason] = found.get(reason, 0) + 1
    return found


def _failed(call: Asked) -> bool:
    """Neither refused nor served: an error, no sound, or no end."""
    heard = call.heard
    return not heard.refused and (heard.code != grpc.StatusCode.OK or heard.first_audio_s is None)


def _answered(heard: Heard) -> bool:
    """There was sound, or there might have been later: an error has no first audio."""
    return heard.first_audio_s is not None or heard.code is None


def _waited_ms(call: Asked) -> float:
    """Until the first audio, or, where none came, until the call ended."""
    heard = call.heard
    ended_s = heard.sent_s if heard.ended_s is None else heard.ended_s
    waited_s = ended_s - heard.sent_s if heard.first_audio_s is None else heard.first_audio_s
    return 1000 * waited_s


def _percentiles(name: str, values: Sequence[float], percents: Sequence[int]) -> dict[str, float]:
    """None of an empty list: there is no such number."""
    return {f"{name}_p{p}": percentile(values, p) for p in percents} if values else {}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
