"""The page that Prometheus reads; what the server reports is in test_served_call."""

from __future__ import annotations

import inspect

from prometheus_client.parser import text_string_to_metric_families

from dlpo_serving import errors
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


def test_every_reason_to_reject_a_call_is_there_from_the_start_and_no_other_can_come() -> None:
    page = samples(Metrics())

    assert {page["dlpo_shed_total", (("reason", reason),)] for reason in SHED_REASONS} == {0}
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    assert {kind.reason for kind in kinds if hasattr(kind, "reason")} <= set(SHED_REASONS)


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
