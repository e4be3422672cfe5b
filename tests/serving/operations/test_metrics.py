"""The page that Prometheus reads."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from dlpo_serving.engines.fake_engine import FakeEngine
from dlpo_serving.operations.metrics import SHED_REASONS, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The page as a scraper reads it: (name, labels) -> value."""
    page, _ = metrics.page()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("report", "name"),
    [
        (Metrics.first_audio, "dlpo_ttfa_seconds"),
        (Metrics.real_time_factor, "dlpo_rtf"),
        (Metrics.queue_wait, "dlpo_queue_wait_seconds"),
        (Metrics.chunk_gap, "dlpo_chunk_gap_seconds"),
        (Metrics.underrun, "dlpo_underrun_seconds"),
    ],
)
def test_a_reported_time_is_counted_under_its_name(report: object, name: str) -> None:
    metrics = Metrics()

    report(metrics, 0.25)  # type: ignore[operator]

    page = samples(metrics)
    assert page[name + "_count", ()] == 1
    assert page[name + "_sum", ()] == 0.25


def test_a_call_is_counted_by_method_and_status() -> None:
    metrics = Metrics()
    method = (("grpc_method", "Synthesize"), ("grpc_service", "dlpo.v1.SpeechService"))

    metrics.rpc_started("dlpo.v1.SpeechService", "Synthesize")
    metrics.rpc_ended("dlpo.v1.SpeechService", "Synthesize", "NOT_FOUND", 0.5)

    page = samples(metrics)
    assert page["grpc_server_started_total", method] == 1
    assert page["grpc_server_handled_total", (("grpc_code", "NOT_FOUND"), *method)] == 1
    assert page["grpc_server_handling_seconds_sum", method] == 0.5


def test_work_of_the_engine_is_told_by_stage_and_bucket() -> None:
    metrics = Metrics()

    metrics.batch("denoise", 4)
    metrics.step("4x24", 0.01)
    metrics.stage("denoise", 0.25)
    metrics.audio_made(1.5)
    metrics.audio_made(0.5)

    page = samples(metrics)
    assert page["dlpo_batch_size_sum", (("stage", "denoise"),)] == 4
    assert page["dlpo_step_seconds_count", (("bucket", "4x24"),)] == 1
    assert page["dlpo_stage_seconds_sum", (("stage", "denoise"),)] == 0.25
    assert page["dlpo_audio_seconds_total", ()] == 2


def test_every_reason_to_shed_is_there_from_the_start() -> None:
    page = samples(Metrics())

    assert {page["dlpo_shed_total", (("reason", reason),)] for reason in SHED_REASONS} == {0}


def test_an_unknown_reason_adds_no_label() -> None:
    metrics = Metrics()
    before = set(samples(metrics))

    metrics.shed("a caller's own words")

    page = samples(metrics)
    assert set(page) == before
    assert page["dlpo_shed_total", (("reason", "other"),)] == 1


def test_watched_figures_are_read_when_the_page_is() -> None:
    metrics = Metrics()
    active = [1]
    metrics.watch(
        streams_active=lambda: active[0], streams_waiting=lambda: 2, backlog_audio_s=lambda: 3.5
    )

    active[0] = 7

    page = samples(metrics)
    assert page["dlpo_streams_active", ()] == 7
    assert page["dlpo_streams_waiting", ()] == 2
    assert page["dlpo_backlog_audio_seconds", ()] == 3.5
    assert ("dlpo_gpu_memory_bytes", ()) not in page


def test_a_voice_is_shown_until_it_is_gone() -> None:
    metrics, manifest = Metrics(), FakeEngine().manifest

    metrics.model_info(manifest, "cpu")
    [labels] = [dict(labels) for name, labels in samples(metrics) if name == "dlpo_model_info"]
    metrics.model_gone(manifest, "cpu")

    assert labels["voice"] == manifest.voice
    assert labels["engine"] == "cpu"
    assert "dlpo_model_info" not in {name for name, _ in samples(metrics)}


def test_a_scraper_of_openmetrics_is_answered_in_it() -> None:
    page, content_type = Metrics().page("application/openmetrics-text; version=1.0.0")

    assert content_type.startswith("application/openmetrics-text")
    assert page.endswith(b"# EOF\n")


def test_two_servers_in_a_process_have_figures_of_their_own() -> None:
    first, second = Metrics(), Metrics()

    first.audio_made(1)

    assert samples(second)["dlpo_audio_seconds_total", ()] == 0


def test_figures_go_into_the_registry_that_is_given() -> None:
    registry = CollectorRegistry()

    Metrics(registry).audio_made(3)

    assert registry.get_sample_value("dlpo_audio_seconds_total") == 3
