"""A call to a server as its client sees it, and the listener's audio device that plays it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args
from urllib.parse import parse_qs, urlsplit

import grpc

from dlpo.errors import InputError
from dlpo_bench.machine import percentile
from dlpo_bench.options import ProtocolName

RATES_HZ: Mapping[str, int] = {"dlpo": 0, "riva": 22_050, "openai": 24_000}
"""Sample rate: dlpo.v1 reports it, Riva's clients request one, OpenAI's pcm has this one."""
SAMPLE_BYTES = 2
CONTINUITY_S = 0.1  # the worst gap of a request that vllm-omni's bench calls continuous
EXPECTED = (
    "expected HOST:PORT or riva://HOST:PORT, dlpo://HOST:PORT, or http://HOST:PORT/v1 of an"
    " OpenAI-compatible server, each with ?voice=NAME, model or rate_hz where needed"
)

_SCHEME = re.compile(r"\w+://")


@dataclass(frozen=True, slots=True)
class TestedServer:
    """A server as its clients see it."""

    __test__ = False  # not a test, despite its name

    name: str
    """label in tables"""
    protocol: str
    """one of `ProtocolName`"""
    address: str
    """host:port; for OpenAI's protocol the URL before /audio/speech"""
    rate_hz: int
    """sample rate of the audio if the server does not report it; 0 if it does"""
    voice: str = ""
    """voice to request; empty: the server's default"""
    model: str = "tts-1"
    """required by OpenAI's protocol"""
    language: str = "en-US"
    """required by Riva's protocol"""
    pid: int | None = None
    """process id, if this run started it"""


def parse_against(text: str) -> TestedServer:
    """Parse the address of a running server; raises InputError if it is malformed."""
    parts = urlsplit(text if _SCHEME.match(text) else f"riva://{text}")
    try:
        settings = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        host_and_port = bool(parts.hostname and parts.port)
    except ValueError as error:
        raise InputError(f"--against {text}: {error}; {EXPECTED}") from error
    last = {name: values[-1] for name, values in settings.items()}
    if unknown := sorted(set(last) - {"voice", "model", "rate_hz"}):
        raise InputError(f"--against {text}: no setting {', '.join(unknown)}; {EXPECTED}")
    web = parts.scheme in ("http", "https")
    scheme = "openai" if web else parts.scheme
    protocol = next((one for one in get_args(ProtocolName) if one == scheme), None)
    if protocol is None or not parts.hostname or not (web or host_and_port):
        raise InputError(f"--against {text}: {EXPECTED}")
    rate = last.get("rate_hz", str(RATES_HZ[protocol]))
    if not rate.isdecimal() or (not int(rate) and protocol != "dlpo"):
        raise InputError(f"--against {text}: rate_hz is {rate!r}; expected a whole number above 0")
    root = f"{parts.scheme}://{parts.netloc}"
    return TestedServer(
        f"{parts.netloc} {protocol}", protocol,
        f"{root}{parts.path.rstrip('/')}" if web else parts.netloc, int(rate),
        last.get("voice", ""), last.get("model", "tts-1"),
    )  # fmt: skip


class AudioDevice:
    """Plays from the first piece on, without a jitter buffer.

    A piece that arrives after everything before it has been played leaves a gap. Times are seconds
    of one clock.
    """

    def __init__(self) -> None:
        self.gaps_s: list[float] = []
        """length of each gap in mid-speech"""
        self.audio_s = 0.0
        """seconds of audio received so far"""
        self.begins_s: float | None = None
        """when the first piece arrived; None before that"""
        self.ends_s = 0.0
        """when everything received so far will have been played"""

    def receive(self, at_s: float, audio_s: float) -> None:
        """Receive a piece of `audio_s` seconds."""
        if self.begins_s is None:
            self.begins_s = self.ends_s = at_s
        if at_s > self.ends_s:
            self.gaps_s.append(at_s - self.ends_s)
            self.ends_s = at_s
        self.audio_s += audio_s
        self.ends_s += audio_s


def underrun_figures(devices: Sequence[AudioDevice]) -> dict[str, float]:
    """How often and how long listeners waited in mid-speech.

    Returns:
        `streaming_continuity`, the share of streams whose worst gap is below `CONTINUITY_S`;
        `underrun_calls`, the share of streams with a gap; `underrun_s`, the sum of all gaps;
        `underrun_share`, their share of the time from first to last sound; `gap_ms_p95` and
        `gap_ms_max` over all gaps, 0 if there are none.
    """
    begun = [device for device in devices if device.begins_s is not None]
    gaps_ms = [1000 * gap_s for device in begun for gap_s in device.gaps_s]
    underrun_s = sum(gaps_ms) / 1000
    played_s = underrun_s + sum(device.audio_s for device in begun)
    broken = sum(max(one.gaps_s, default=0.0) >= CONTINUITY_S for one in begun)
    return {
        "streaming_continuity": 1 - broken / len(begun) if begun else 0.0,
        "underrun_calls": sum(bool(one.gaps_s) for one in begun) / len(begun) if begun else 0.0,
        "underrun_s": underrun_s,
        "underrun_share": underrun_s / played_s if played_s else 0.0,
        "gap_ms_p95": percentile(gaps_ms, 95) if gaps_ms else 0.0,
        "gap_ms_max": max(gaps_ms, default=0.0),
    }


@dataclass(slots=True, eq=False)
class TimedCall:
    """One call as its client sees it; times in seconds of `time.perf_counter`."""

    sent_s: float
    characters: int = 0
    """characters of its text: the offered load, even if nothing came back"""
    late_s: float = 0.0
    """how late the client itself sent it"""
    device: AudioDevice = field(default_factory=AudioDevice)
    ended_s: float | None = None
    code: grpc.StatusCode | None = None
    """status at the end; None while it runs, and if the client cancelled"""
    detail: str = ""
    """the server's error message"""
    retry_after_s: float | None = None
    """from RetryInfo; None if the status has none"""
    on_audio: Callable[[bytes], object] | None = None
    """receives each piece of audio"""

    @property
    def refused(self) -> bool:
        """The server was full."""
        return self.code == grpc.StatusCode.RESOURCE_EXHAUSTED

    @property
    def failed(self) -> bool:
        """Neither refused nor served: an error, no audio, or no end."""
        silent = self.device.begins_s is None
        return not self.refused and (self.code != grpc.StatusCode.OK or silent)

    @property
    def played_well(self) -> bool:
        """Served to the end without a gap."""
        return not self.refused and not self.failed and not self.device.gaps_s

    @property
    def first_audio_s(self) -> float | None:
        """From sending to the first audio; None if there was none."""
        begins_s = self.device.begins_s
        return None if begins_s is None else begins_s - self.sent_s

    @property
    def waited_ms(self) -> float:
        """Time until the first audio, or until the call ended if none came."""
        if self.first_audio_s is not None:
            return 1000 * self.first_audio_s
        return 1000 * ((self.sent_s if self.ended_s is None else self.ended_s) - self.sent_s)

    @property
    def ending(self) -> str:
        """Status and message."""
        return f"{self.code.name if self.code else 'no status'} {self.detail}".rstrip()

    def receive(self, audio: bytes, rate_hz: int) -> None:
        """Record a piece of audio that arrives now."""
        self.device.receive(time.perf_counter(), len(audio) / SAMPLE_BYTES / rate_hz)
        if self.on_audio:
            self.on_audio(audio)


def first_audio_ms(calls: Iterable[TimedCall]) -> list[float]:
    """Milliseconds to the first audio of the calls that received any."""
    return [1000 * call.first_audio_s for call in calls if call.first_audio_s is not None]
