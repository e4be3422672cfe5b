"""Figures of a running server for Prometheus, in seconds, with closed sets of labels.

No label comes from a caller: methods are those that are registered, reasons those of
`SHED_REASONS`, voices those that the operator put there. So no caller can make the page grow.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from dlpo.bundle import Manifest

SHED_REASONS = ("streams", "backlog", "deadline", "draining", "quota", "stalled", "other")

_LATENCY_S = (0.005, 0.01, 0.015, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
_WORK_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_CALL_S = (0.005, 0.02, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 3.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """What the rooms of the server report; `page` shows it. Safe to call from any thread."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """`registry`: where the figures are kept; one of its own if None."""
        self.registry = registry or CollectorRegistry()
        self._started = self._counter("grpc_server_started", "Calls begun.", _METHOD)
        self._handled = self._counter(
            "grpc_server_handled", "Calls ended, by status.", (*_METHOD, "grpc_code")
        )
        self._handling = self._histogram(
            "grpc_server_handling_seconds", "From a call's begin to its end.", _CALL_S, _METHOD
        )
        self._first_audio = self._histogram(
            "dlpo_ttfa_seconds", "From a call's begin to its first audio.", _LATENCY_S
        )
        self._rtf = self._histogram(
            "dlpo_rtf", "Time to make a call's audio, of its duration.", _FACTORS
        )
        self._queue_wait = self._histogram(
            "dlpo_queue_wait_seconds", "That a piece of work waited for the engine.", _LATENCY_S
        )
        self._chunk_gap = self._histogram(
            "dlpo_chunk_gap_seconds", "Between two chunks of a stream.", _LATENCY_S
        )
        self._underrun = self._histogram(
            "dlpo_underrun_seconds", "That a chunk came after the audio before had ended.", _WORK_S
        )
        self._batch = self._histogram(
            "dlpo_batch_size", "Rows computed together.", _ROWS, ("stage",)
        )
        self._step = self._histogram(
            "dlpo_step_seconds", "One run of the denoiser.", _WORK_S, ("bucket",)
        )
        self._stage = self._histogram(
            "dlpo_stage_seconds", "One run of a stage, for all its rows.", _WORK_S, ("stage",)
        )
        self._shed = self._counter("dlpo_shed", "Calls refused or given up.", ("reason",))
        for reason in SHED_REASONS:  # so that a rate is 0 before the first one, not absent
            self._shed.labels(reason)
        self._audio = self._counter("dlpo_audio_seconds", "Audio made.")
        self._model = Gauge(
            "dlpo_model_info",
            "1 for each voice that is offered.",
            ("voice", "language", "steps", "precision", "engine"),
            registry=self.registry,
        )

    def rpc_started(self, service: str, method: str) -> None:
        """A call of a registered method began."""
        self._started.labels(service, method).inc()

    def rpc_ended(self, service: str, method: str, code: str, s: float) -> None:
        """It ended after `s` seconds; `code` is the status's name, such as NOT_FOUND."""
        self._handled.labels(service, method, code).inc()
        self._handling.labels(service, method).observe(s)

    def first_audio(self, s: float) -> None:
        """The first audio of a call was there `s` seconds after its begin."""
        self._first_audio.observe(s)

    def real_time_factor(self, x: float) -> None:
        """A call's audio took `x` times its duration to make."""
        self._rtf.observe(x)

    def queue_wait(self, s: float) -> None:
        """A piece of work waited `s` seconds for the engine."""
        self._queue_wait.observe(s)

    def chunk_gap(self, s: float) -> None:
        """A chunk came `s` seconds after the one before."""
        self._chunk_gap.observe(s)

    def underrun(self, s: float) -> None:
        """A listener heard `s` seconds of silence, because a chunk was late."""
        self._underrun.observe(s)

    def batch(self, stage: str, size: int) -> None:
        """A stage of the engine, such as denoise, computed `size` rows together."""
        self._batch.labels(stage).observe(size)

    def step(self, bucket: str, s: float) -> None:
        """The denoiser ran for `s` seconds on a bucket of the engine, such as 4x24."""
        self._step.labels(bucket).observe(s)

    def stage(self, name: str, s: float) -> None:
        """A stage, such as encode, frames, denoise or encode_audio, ran for `s` seconds."""
        self._stage.labels(name).observe(s)

    def shed(self, reason: str) -> None:
        """A call was refused or given up; a reason beside `SHED_REASONS` counts as other."""
        self._shed.labels(reason if reason in SHED_REASONS else "other").inc()

    def audio_made(self, s: float) -> None:
        """`s` seconds of audio were made."""
        self._audio.inc(s)

    def watch(
        self,
        *,
        streams_active: Callable[[], float],
        streams_waiting: Callable[[], float],
        backlog_audio_s: Callable[[], float],
        gpu_memory_bytes: Callable[[], float] | None = None,
    ) -> None:
        """Show what these functions say whenever the page is read."""
        self._gauge("dlpo_streams_active", "Calls being spoken.", streams_active)
        self._gauge("dlpo_streams_waiting", "Calls with no audio yet.", streams_waiting)
        self._gauge("dlpo_backlog_audio_seconds", "Audio admitted, not yet made.", backlog_audio_s)
        if gpu_memory_bytes:
            self._gauge("dlpo_gpu_memory_bytes", "In use on the GPU.", gpu_memory_bytes)

    def model_info(self, manifest: Manifest, engine: str) -> None:
        """A voice is offered."""
        self._model.labels(*_model_labels(manifest, engine)).set(1)

    def model_gone(self, manifest: Manifest, engine: str) -> None:
        """A voice is no longer offered."""
        self._model.remove(*_model_labels(manifest, engine))

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """The page for a scraper and its Content-Type, by the scraper's Accept header."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        Gauge(name, text, registry=self.registry).set_function(value)


_METHOD = ("grpc_service", "grpc_method")


def _model_labels(manifest: Manifest, engine: str) -> tuple[str, ...]:
    steps = str(manifest.steps)
    return manifest.voice, manifest.language, steps, manifest.precision, engine
