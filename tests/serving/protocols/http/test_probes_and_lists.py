from __future__ import annotations

import json
import logging
import socket
from contextlib import suppress
from importlib import resources

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from dlpo_serving.protocols.http.requests import HttpLimits
from dlpo_serving.voices.synthesizer import Synthesizer
from tests.callers import rest_of
from tests.serving.protocols.http.conftest import Client, RunningServer, StartServer

FILES = list(resources.files("dlpo_serving.protocols.http").joinpath("page").iterdir())
PATHS = ["/" if file.name == "index.html" else f"/page/{file.name}" for file in FILES]
TIMEOUT_S = 20.0


def test_probes_follow_the_voice(
    client: Client, synthesizer: Synthesizer, start_server: StartServer
) -> None:
    cold, server = start_server(None, show_metrics=False), start_server(synthesizer)

    def statuses(server: RunningServer) -> list[int]:
        paths = ("/healthz", "/readyz", "/v1/voices", "/metrics")
        return [client.get(server, path).status for path in paths]

    assert statuses(cold) == [200, 503, 503, 404]
    assert statuses(server) == [200, 200, 200, 200]
    server.call(server.service.drain(0))
    assert statuses(server)[:2] == [200, 503]


def test_prometheus_metrics_count_what_was_spoken(
    client: Client, synthesizer: Synthesizer, start_server: StartServer
) -> None:
    server = start_server(synthesizer)
    client.speak(server).read()

    response = client.get(server, "/metrics")

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


def test_voices_are_listed_with_their_ranges(client: Client, server: RunningServer) -> None:
    (voice,) = json.loads(client.get(server, "/v1/voices").read())["data"]

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
    client: Client, server: RunningServer, method: str, path: str, status: int
) -> None:
    connection = client.connect(server)

    connection.request(method, path)

    response = connection.getresponse()
    assert response.status == status
    assert json.loads(response.read())["error"]["type"] == "invalid_request_error"
    assert (status == 405) == ("Allow" in response.headers)


@pytest.mark.parametrize("path", PATHS)
def test_each_file_is_sent_with_a_strict_policy(
    client: Client, server: RunningServer, path: str
) -> None:
    response = client.get(server, path)

    assert response.status == 200
    if path == "/":
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(
        rule.strip().split(" ", 1)
        for rule in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    allowed = {source for sources in policy.values() for source in sources.split()}
    assert allowed == {"'none'", "'self'"}  # nothing inline, nothing of other hosts
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_that_has_not_changed_is_not_sent_again(
    client: Client, server: RunningServer
) -> None:
    tag = client.get(server, "/").headers["ETag"]

    again = client.get(server, "/", **{"If-None-Match": tag})
    changed = client.get(server, "/", **{"If-None-Match": '"other"'})

    assert (again.status, again.read()) == (304, b"")
    assert changed.status == 200


@pytest.mark.parametrize(
    ("sent", "dribbled"),
    [
        (b"", b""),
        (b"POST /v1/audio/sp", b""),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", b""),
        (b"GET / HTTP/1.1\r\n", b"X-Slow: 1\r\n"),
    ],
    ids=["nothing", "half a line", "half a header", "a line at a time"],
)
def test_a_connection_whose_request_does_not_come_is_closed(
    sent: bytes, dribbled: bytes, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpo_serving.protocols.http.server.IDLE_S", 0.2)
    server = start_server(None)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(sent)
        connection.settimeout(0.05)
        for _ in range(400):
            with suppress(TimeoutError):  # it has nothing to say yet
                try:
                    connection.sendall(dribbled)
                    if not connection.recv(1):
                        return
                except ConnectionError:
                    return
    raise AssertionError("it was kept")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Large: " + b"a" * 10_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Many: 1\r\n" * 100 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["long line", "large header", "many headers", "TLS", "length -1", "smuggling"],
)
def test_malformed_http_is_a_400_without_traceback(
    request_: bytes, start_server: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_server(None)
    with (
        caplog.at_level(logging.INFO),
        socket.create_connection(("127.0.0.1", server.port)) as peer,
    ):
        peer.settimeout(TIMEOUT_S)
        peer.sendall(request_)

        assert rest_of(peer).startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))

    assert not [record for record in caplog.records if record.exc_info]


def test_only_pages_of_chosen_origins_may_read_replies(
    client: Client, server: RunningServer, synthesizer: Synthesizer, start_server: StartServer
) -> None:
    friend, stranger = "https://app.example", "https://else.example"
    open_server = start_server(synthesizer, HttpLimits(origins=(friend,)))
    asked = {"Access-Control-Request-Headers": "authorization,x-stainless-os"}

    def preflight(server: RunningServer, origin: str) -> tuple[int, dict[str, str]]:
        connection = client.connect(server)
        connection.request("OPTIONS", "/v1/audio/speech", headers={"Origin": origin, **asked})
        reply = connection.getresponse()
        reply.read()
        return reply.status, {k: v for k, v in reply.getheaders() if k.startswith("Access-Control")}

    allowed = preflight(open_server, friend)[1]
    spoken = client.get(open_server, "/v1/voices", Origin=friend)

    assert allowed["Access-Control-Allow-Origin"] == friend
    assert allowed["Access-Control-Allow-Headers"] == asked["Access-Control-Request-Headers"]
    assert "Access-Control-Allow-Origin" not in preflight(open_server, stranger)[1]
    assert preflight(server, friend) == (405, {})
    assert spoken.getheader("Access-Control-Allow-Origin") == friend
    assert "X-Warning" in str(spoken.getheader("Access-Control-Expose-Headers"))
    assert client.get(open_server, "/metrics", Origin=friend).getheader("Vary") is None


@pytest.mark.parametrize("version", ["abc", "", "1.x", "9" * 5000, "1.0.0"])
def test_metrics_of_any_version_are_a_page(
    client: Client, server: RunningServer, version: str
) -> None:
    accept = f"application/openmetrics-text; version={version}"
    reply = client.get(server, "/metrics", Accept=accept)
    assert reply.status == 200
    assert b"dlpo_shed" in reply.read()


def test_the_api_is_described_for_tools_and_people(client: Client, server: RunningServer) -> None:
    described = json.load(client.get(server, "/openapi.json"))
    page = client.get(server, "/docs").read().decode()

    for path, methods in described["paths"].items():
        assert f"{next(iter(methods)).upper()} {path}" in page
        assert client.get(server, path).status == (405 if "post" in methods else 200)
    body = described["paths"]["/v1/audio/speech"]["post"]["requestBody"]["content"]
    schema = body["application/json"]["schema"]
    jsonschema.validate({"input": "Hi", "voice": "lj", "speed": 2}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"speed": 9}, schema)
    assert "<script" not in page
    for path in ("/v1/realtime", "/v1/audio/speech/stream"):
        assert f"WebSocket {path}" in page
    assert all(field["description"] for field in schema["properties"].values())


def test_the_page_says_who_speaks_and_has_an_icon(client: Client, server: RunningServer) -> None:
    about = json.load(client.get(server, "/page/about.json"))
    icon = client.get(server, "/favicon.ico")

    assert about["heart"].startswith("woman, ")
    assert icon.status == 200
    assert icon.getheader("Content-Type") == "image/svg+xml"
