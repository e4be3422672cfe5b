"""The pod's settings, secrets and probes, with a real server and without a cluster."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dlpo_serving.client import CallError, SpeechClient, Tls
from dlpo_serving.request import SpeechRequest
from tests.callers import ONCE, WAIT_S, free_port, server_process, wait_until

pytestmark = pytest.mark.full

KUBERNETES = Path(__file__).resolve().parents[2] / "deploy/kubernetes"
Status = health_pb2.HealthCheckResponse


class Secret:
    """A mounted Secret: kubelet puts its files in a folder and points a link at it, at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._versions = 0
        path.mkdir(parents=True)

    def write(self, *files: Path) -> None:
        self._versions += 1
        folder = self.path / f"..{self._versions}"
        folder.mkdir()
        for file in files:
            shutil.copyfile(file, folder / file.name)
            (folder / file.name).chmod(0o400)  # in a pod they are root's and 0440
            if not (self.path / file.name).is_symlink():
                (self.path / file.name).symlink_to(f"..data/{file.name}")
        (self.path / "..new").symlink_to(folder.name)
        (self.path / "..new").rename(self.path / "..data")


def make_secrets(folder: Path) -> str:
    """What docs/kubernetes.md has an operator type; the token that it printed."""
    command = [KUBERNETES / "make-secrets", "alice", "dlpo", folder]
    return subprocess.check_output(command, text=True).split()[-1]


def test_a_pod_is_probed_called_given_new_secrets_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed; apt-get install openssl")
    old, new = make_secrets(tmp_path / "first"), make_secrets(tmp_path / "second")
    keys, tls = Secret(tmp_path / "etc/dlpo/keys"), Secret(tmp_path / "etc/dlpo/tls")
    keys.write(tmp_path / "first/keys.toml")
    tls.write(tmp_path / "first/tls.crt", tmp_path / "first/tls.key")
    lines = (KUBERNETES / "base/settings.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    settings |= {"DLPO_HEALTH_PORT": str(free_port()), "DLPO_PRE_STOP_S": "1", "DLPO_LANES": "2"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value.replace("/etc", f"{tmp_path}/etc"))
    pod = yaml.safe_load((KUBERNETES / "base/deployment.yaml").read_text())["spec"]["template"]

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
            trusted = Tls(ca=tmp_path / "first/tls.crt")
            with SpeechClient(address, tls=trusted, token=token, retries=ONCE) as client:
                try:
                    return bool(client.speak(SpeechRequest("Hello."), timeout_s=WAIT_S).audio)
                except CallError as error:
                    if error.code != grpc.StatusCode.UNAUTHENTICATED:
                        raise
                    return False

        wait_until(lambda: probe("startup") == Status.SERVING)
        assert probe("readiness") == probe("liveness") == Status.SERVING
        assert speaks(old)
        assert not speaks(new)
        keys.write(tmp_path / "second/keys.toml")
        wait_until(lambda: speaks(new))
        assert not speaks(old)

        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: probe("readiness") == Status.NOT_SERVING)
        assert probe("liveness") == Status.SERVING
        assert server.process.wait(WAIT_S) == 0
