"""The pod's settings, secrets and probes, with a real server and without a cluster."""

from __future__ import annotations

import base64
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo_serving.client import CallError, SpeechClient, Tls
from dlpo_serving.request import SpeechRequest
from tests.callers import ONCE, WAIT_S, free_port, server_process, wait_until

pytestmark = pytest.mark.full

Status = health_pb2.HealthCheckResponse


class Secret:
    """A mounted Secret: kubelet puts its files in a folder and points a link at it, at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._versions = 0
        path.mkdir(parents=True)

    def write(self, files: dict[str, bytes]) -> None:
        self._versions += 1
        folder = self.path / f"..{self._versions}"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o400)  # in a pod they are root's and 0440
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"..data/{name}")
        (self.path / "..new").symlink_to(folder.name)
        (self.path / "..new").rename(self.path / "..data")


def secrets_of(resources: list[dict[str, Any]]) -> dict[str, bytes]:
    """Name -> content of all that the chart's Secrets hold."""
    return {
        name: base64.b64decode(content)
        for resource in resources
        if resource["kind"] == "Secret"
        for name, content in resource["data"].items()
    }


def test_a_pod_is_probed_called_given_new_secrets_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, render: Callable[..., list[dict[str, Any]]]
) -> None:
    old, new = (secrets_of(render("--set", f"keys.caller={caller}")) for caller in ("ann", "bob"))
    keys, tls = Secret(tmp_path / "etc/dlpo/keys"), Secret(tmp_path / "etc/dlpo/tls")
    keys.write({"keys.toml": old["keys.toml"]})
    tls.write({name: old[name] for name in ("tls.crt", "tls.key")})
    trusted = tmp_path / "trusted.crt"
    trusted.write_bytes(old["tls.crt"])
    resources = {one["kind"]: one for one in render("--set", "keys.caller=ann")}
    settings = dict(resources["ConfigMap"]["data"])
    settings |= {"DLPO_HEALTH_PORT": str(free_port()), "DLPO_PRE_STOP_S": "1", "DLPO_LANES": "2"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value.replace("/etc", f"{tmp_path}/etc"))
    pod = resources["Deployment"]["spec"]["template"]

    with (
        server_process(tmp_path) as server,
        grpc.insecure_channel(f"127.0.0.1:{settings['DLPO_HEALTH_PORT']}") as channel,
    ):
        address = f"localhost:{server.address.rpartition(':')[2]}"

        def probe(name: str) -> Any:
            """What kubelet would hear; None where nobody answers."""
            (container,) = pod["spec"]["containers"]
            service = container[f"{name}Probe"]["grpc"]["service"]
            request = health_pb2.HealthCheckRequest(service=service)
            try:
                return health_pb2_grpc.HealthStub(channel).Check(request).status
            except grpc.RpcError:
                return None

        def speaks(token: str) -> bool:
            """Whether a caller who trusts the first certificate is let in."""
            tls = Tls(ca=trusted)
            with SpeechClient(address, tls=tls, token=token, retries=ONCE) as client:
                try:
                    return bool(client.speak(SpeechRequest("Hello."), timeout_s=WAIT_S).audio)
                except CallError as error:
                    if error.code != grpc.StatusCode.UNAUTHENTICATED:
                        raise
                    return False

        wait_until(lambda: probe("startup") == Status.SERVING)
        assert probe("readiness") == probe("liveness") == Status.SERVING
        assert speaks(old["token"].decode())
        assert not speaks(new["token"].decode())
        keys.write({"keys.toml": new["keys.toml"]})
        wait_until(lambda: speaks(new["token"].decode()))
        assert not speaks(old["token"].decode())

        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: probe("readiness") == Status.NOT_SERVING)
        assert probe("liveness") == Status.SERVING
        assert server.process.wait(WAIT_S) == 0
