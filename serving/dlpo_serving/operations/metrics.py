"""Prometheus metrics of a running server, in seconds, with fixed sets of labels.

No label comes from a caller: methods are the registered ones, reasons those in `errors`, voices
and names of callers those that the operator chose. So no caller can make the page grow.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder

from dlpo.bundle import Manifest

SHED_REASONS = ("streams", "backlog", "deadline", "draining", "quota", "stalled", "other")

_LATENCY_S = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 5.0)
_WORK_S = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0)
_CALL_S = (0.005, 0.02, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 3.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64)
_METHOD = ("grpc_service", "grpc_method")


class Metrics:
    """The metrics; any part of the server may update them, from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

        counter = partial(Counter, registry=self.registry)

        def histogram(
            name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
        ) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

        self.calls_started = counter("grpc_server_started", "Calls started.", _METHOD)
        self.calls_ended = counter(
            "grpc_server_handled", "Calls ended, by status.", (*_METHOD, "grpc_code")
        )
        self.call_s = histogram(
            "grpc_server_handling_seconds", "From a call's start to its end.", _CALL_S, _METHOD
        )
        self.first_audio_s = histogram(
            "dlpo_ttfa_seconds",
            "From a call's start, or a file's turn, to first audio.",
            _LATENCY_S,
        )
        self.real_time_factor = histogram(
            "dlpo_rtf", "Time to make a call's audio / its duration.", _FACTORS
        )
        self.queue_wait_s = histogram(
            "dlpo_queue_wait_seconds", "From a text being read to its first unit.", _LATENCY_S
        )
        self.chunk_gap_s = histogram(
            "dlpo_chunk_gap_seconds", "Between two chunks of a stream.", _LATENCY_S
        )
        self.underrun_s = histogram(
            "dlpo_underrun_seconds", "How late a chunk was for gapless playback.", _WORK_S
        )
        self.batch_rows = histogram("dlpo_batch_size", "Rows computed together.", _ROWS, ("stage",))
        self.step_s = histogram(
            "dlpo_step_seconds", "One run of the denoiser.", _WORK_S, ("bucket",)
        )
        self.stage_s = histogram(
            "dlpo_stage_seconds", "One run of a stage, for all its rows.", _WORK_S, ("stage",)
        )
        self.shed = counter("dlpo_shed", "Calls rejected or given up.", ("reason",))
        for reason in SHED_REASONS:  # so that a rate is 0 before the first one, not absent
            self.shed.labels(reason)
        self.audio_s = counter("dlpo_audio_seconds", "Audio made.")
        self.key_characters = counter(
            "dlpo_key_characters", "Characters charged to a caller's keys.", ("caller",)
        )
        self.key_audio_s = counter(
            "dlpo_key_audio_seconds", "Audio sent to a caller with a key.", ("caller",)
        )
        self._model = Gauge(
            "dlpo_model_info",
            "1 for each voice on offer.",
            ("voice", "language", "steps", "precision", "engine"),
            registry=self.registry,
        )

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Add a gauge that calls this function whenever the page is read."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def offer(self, manifest: Manifest, engine: str, offered: bool = True) -> None:
        """Record that a voice is offered, or no longer is."""
        steps = str(manifest.steps)
        labels = manifest.voice, manifest.language, steps, manifest.precision, engine
        if offered:
            self._model.labels(*labels).set(1)
        else:
            self._model.remove(*labels)

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics page and its Content-Type, chosen by the scraper's Accept header."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is no number: the format that all read
            encode, content_type = choose_encoder("")
        return encode(self.registry), content_type
