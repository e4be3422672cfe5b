"""What serving costs: start, memory, first audio and real-time factor of one stream on loopback."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from dlpo_bench.proc import memory_mb
from dlpo_serving.client import SpeechClient
from dlpo_serving.local_server import local_server
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices import DEFAULT_VOICE

SENTENCES = (  # 80 characters each, so that first audio is comparable between versions
    "The quick brown fox jumps over the lazy dogs while seven wise owls watch in awe.",
    "Speech should begin before the thought has ended, or else the talk will feel so.",
    "A small machine in a quiet room can say what it was told, and say it in no time.",
    "Rain fell on the old stone bridge, and nobody crossed it until the sun was high.",
)
WARM_UP_CALLS = 3


def measure_latency(
    voice: str = DEFAULT_VOICE, calls: int = 40, *server_options: str
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Start a server, call it `calls` times, one call after the other.

    Returns:
        Seconds from starting the process to SERVING (`start_s`), resident memory before and after
        the calls (`rss_mb`, `rss_after_mb`), percentiles of the time from calling to the first
        audio (`first_audio_ms_p50`, `_p95`), and the real-time factor of whole streams as the
        client sees it (`stream_rtf_p50`). And of each call `first_audio_ms` and `stream_rtf`.
    """
    first_ms, rtf = [], []
    with local_server(voice, *server_options) as server, SpeechClient(server.address) as client:
        rss_mb = resident_mb(server.process.pid)
        for seed in range(WARM_UP_CALLS + calls):
            first_s, wall_s, audio_s = time_call(client, SENTENCES[seed % len(SENTENCES)], seed)
            if seed >= WARM_UP_CALLS:
                first_ms.append(1000 * first_s)
                rtf.append(wall_s / audio_s)
        rss_after_mb = resident_mb(server.process.pid)
    figures = {
        "start_s": server.start_s,
        "rss_mb": rss_mb,
        "rss_after_mb": rss_after_mb,
        "first_audio_ms_p50": percentile(first_ms, 50),
        "first_audio_ms_p95": percentile(first_ms, 95),
        "stream_rtf_p50": percentile(rtf, 50),
    }
    return figures, {"first_audio_ms": first_ms, "stream_rtf": rtf}


def time_call(client: SpeechClient, text: str, seed: int) -> tuple[float, float, float]:
    """Seconds to the first audio, seconds to the end, and seconds of audio, of one call."""
    start = time.perf_counter()
    stream = client.stream(SpeechRequest(text, seed=seed))
    chunks = iter(stream)
    samples = len(next(chunks).samples)
    first_s = time.perf_counter() - start
    samples += sum(len(chunk.samples) for chunk in chunks)
    return first_s, time.perf_counter() - start, samples / stream.info.format.sample_rate_hz


def resident_mb(pid: int) -> float:
    """Resident memory of a process, in MB of 10^6 bytes; raises EngineError if it has ended."""
    return memory_mb(pid, "VmRSS")


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of `values` lie."""
    return float(np.percentile(values, percent))
