from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families


def test_probes_follow_the_voice(
    client: Any, door: Any, open_http_door: Callable[..., Any]
) -> None:
    cold = open_http_door(None)

    assert client.get(door, "/healthz").status == client.get(cold, "/healthz").status == 200
    assert client.get(door, "/readyz").status == 200
    assert client.get(cold, "/readyz").status == 503
    assert client.get(cold, "/v1/voices").status == 503


def test_a_server_that_drains_is_not_ready_but_alive(
    client: Any, synthesizer: Any, open_http_door: Callable[..., Any]
) -> None:
    door = open_http_door(synthesizer)

    door.call(door.speaker.drain(0))

    assert client.get(door, "/readyz").status == 503
    assert client.get(door, "/healthz").status == 200


def test_metrics_can_be_hidden(client: Any, open_http_door: Callable[..., Any]) -> None:
    assert client.get(open_http_door(None, show_metrics=False), "/metrics").status == 404


def test_metrics_are_readable_by_prometheus_and_count_what_was_spoken(
    client: Any, synthesizer: Any, open_http_door: Callable[..., Any]
) -> None:
    door = open_http_door(synthesizer)
    client.speak(door).read()

    response = client.get(door, "/metrics")

    assert response.headers["Content-Type"].startswith("text/plain")
    families = {f.name: f for f in text_string_to_metric_families(response.read().decode())}
    assert families["dlpo_audio_seconds"].samples[0].value > 1
    (count,) = [s for s in families["dlpo_ttfa_seconds"].samples if s.name.endswith("_count")]
    assert count.value == 1
    handled = {
        (s.labels["grpc_method"], s.labels["grpc_code"]): s.value
        for s in families["grpc_server_handled"].samples
        if s.labels["grpc_service"] == "HTTP" and s.name.endswith("_total")
    }
    assert handled == {("POST /v1/audio/speech", "200"): 1}


def test_voices_are_listed_with_their_ranges(client: Any, door: Any) -> None:
    (voice,) = json.loads(client.get(door, "/v1/voices").read())["data"]

    assert (voice["id"], voice["language"], voice["sample_rate"]) == ("fake", "en-US", 22_050)
    assert (voice["steps"], voice["default_steps"]) == ([1, 3], 3)
    assert voice["speed"] == {"min": 0.5, "max": 2.0}
    assert voice["pitch_semitones"] == {"min": -6.0, "max": 6.0}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/page/../app.py", 404),
        ("GET", "/page/%2e%2e/app.py", 404),
        ("GET", "/v1/audio/speech", 405),
        ("DELETE", "/v1/voices", 405),
        ("PATCH", "/", 405),
    ],
)
def test_other_paths_and_methods_are_refused_in_json(
    client: Any, door: Any, method: str, path: str, status: int
) -> None:
    connection = client.connect(door)

    connection.request(method, path)

    response = connection.getresponse()
    assert response.status == status
    assert json.loads(response.read())["error"]["type"] == "invalid_request_error"
    assert (status == 405) == ("Allow" in response.headers)


def test_pages_of_other_origins_are_not_let_in(client: Any, door: Any) -> None:
    connection = client.connect(door)
    asked = {
        "Origin": "http://elsewhere.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    connection.request("OPTIONS", "/v1/audio/speech", headers=asked)

    response = connection.getresponse()
    assert response.status == 405
    assert not [name for name in response.headers if name.startswith("Access-Control")]
    assert response.read()
