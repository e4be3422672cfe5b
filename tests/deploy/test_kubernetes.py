"""What kustomize makes of deploy/kubernetes: sound by its schemas, and in step with the server.

No cluster has ever run it here: see docs/kubernetes.md.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from dlpo import __version__
from dlpo_serving.endpoints import LIVENESS, SERVICES
from dlpo_serving.operations.metrics import SHED_REASONS, Metrics
from dlpo_serving.settings.server_settings import PREFIX, ServerSettings
from dlpo_serving.settings.sources import read_settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
DOCS = DEPLOY.parent / "docs/kubernetes.md"
OVERLAYS = ("cpu", "gpu", "autoscaling")
VERSIONS = ("1.30", kubernetes_validate.latest_version())  # the oldest with preStop.sleep
SPARE_S = 10  # of the pod's last seconds: statuses on their way, threads, Python's own end

Resource = dict[str, Any]
Render = Callable[[Path], list[Resource]]


@pytest.fixture(scope="module")
def render() -> Render:
    """`render(folder)`: the resources that `kubectl apply -k folder` would send."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed; Debian 13: apt-get install kubernetes-client")
    version = subprocess.run([program, "version", "--client"], capture_output=True, text=True)
    if "Kustomize Version: v5" not in version.stdout:
        pytest.skip("kubectl's kustomize is older than version 5")

    @functools.cache
    def of(folder: Path) -> list[Resource]:
        made = subprocess.run(
            [program, "kustomize", str(folder)], capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr
        assert made.stderr == ""  # it warns there of what is deprecated
        return list(yaml.safe_load_all(made.stdout))

    return of


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest, render: Render) -> list[Resource]:
    return render(KUBERNETES / "overlays" / request.param)


@pytest.fixture(scope="module")
def composed(render: Render, tmp_path_factory: pytest.TempPathFactory) -> list[Resource]:
    """The overlay that docs/kubernetes.md has one write, without TLS as well."""
    folder = tmp_path_factory.mktemp("own") / "kubernetes"
    shutil.copytree(KUBERNETES, folder)
    (text,) = re.findall(r"^```yaml\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    own = yaml.safe_load(text)
    own["components"].append("../../components/plaintext")
    (folder / "overlays/ours").mkdir()
    (folder / "overlays/ours/kustomization.yaml").write_text(yaml.safe_dump(own))
    return render(folder / "overlays/ours")


def one(resources: list[Resource], kind: str, name: str = "dlpo") -> Resource:
    (found,) = (
        resource
        for resource in resources
        if resource["kind"] == kind
        and re.fullmatch(rf"{name}(-[a-z0-9]{{10}})?", resource["metadata"]["name"])
    )
    return found


def pod(resources: list[Resource]) -> Resource:
    return dict(one(resources, "Deployment")["spec"]["template"]["spec"])


def container(resources: list[Resource]) -> Resource:
    (found,) = pod(resources)["containers"]
    return dict(found)


def settings(resources: list[Resource], monkeypatch: pytest.MonkeyPatch) -> ServerSettings:
    """What the server reads from the environment that the pod gives it."""
    for name, value in one(resources, "ConfigMap")["data"].items():
        monkeypatch.setenv(name, value)
    return read_settings([])


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_is_sound_by_the_schemas_of_kubernetes(
    overlay: list[Resource], composed: list[Resource], version: str
) -> None:
    for resource in (*overlay, *composed):
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_pod_may_do_nothing_but_speak(overlay: list[Resource]) -> None:
    spec, server = pod(overlay), container(overlay)

    assert spec["automountServiceAccountToken"] is False
    assert one(overlay, "ServiceAccount")["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 10_001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert server["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert {"cpu", "memory"} <= server["resources"]["limits"].keys()
    assert {"cpu", "memory"} <= server["resources"]["requests"].keys()


def test_secrets_are_read_only_and_not_for_everybody(overlay: list[Resource]) -> None:
    secrets = {v["name"]: v["secret"] for v in pod(overlay)["volumes"] if "secret" in v}

    assert {secret["secretName"] for secret in secrets.values()} == {"dlpo-keys", "dlpo-tls"}
    assert {secret["defaultMode"] for secret in secrets.values()} == {0o440}
    mounts = {mount["name"]: mount for mount in container(overlay)["volumeMounts"]}
    assert all(mounts[name]["readOnly"] and "subPath" not in mounts[name] for name in secrets)


def test_the_server_understands_every_setting(
    overlay: list[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    named = list(one(overlay, "ConfigMap")["data"])
    named += [variable["name"] for variable in container(overlay).get("env", ())]
    known = {PREFIX + name.upper() for name in ServerSettings.model_fields}
    assert set(named) <= known

    read = settings(overlay, monkeypatch)

    mounts = [mount["mountPath"] for mount in container(overlay)["volumeMounts"]]
    for path in (read.keys_file, read.tls_certificate, read.tls_key):
        assert path is not None
        assert str(path.parent) in mounts
    assert (
        one(overlay, "ConfigMap")["metadata"]["name"]
        == (container(overlay)["envFrom"][0]["configMapRef"]["name"])
    )


def test_ports_and_probes_are_those_of_the_server(
    overlay: list[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, server = settings(overlay, monkeypatch), container(overlay)
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}

    assert ports == {"grpc": read.port, "http": read.http_port, "health": read.health_port}
    assert read.port == ServerSettings().port
    assert {read.host, read.http_host, read.health_host} == {"0.0.0.0"}
    for name, service in (("startup", None), ("readiness", None), ("liveness", LIVENESS)):
        probe = server[f"{name}Probe"]["grpc"]
        assert probe["port"] == read.health_port
        assert probe["service"] == service or (service is None and probe["service"] in SERVICES)
    for name in ("dlpo", "dlpo-headless"):
        service = one(overlay, "Service", name)["spec"]
        for port in service["ports"]:
            assert port["port"] == ports[port["targetPort"]]
    assert one(overlay, "Service", "dlpo-headless")["spec"]["clusterIP"] == "None"


def test_the_pod_has_time_for_all_that_the_server_does_at_its_end(
    overlay: list[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = settings(overlay, monkeypatch)
    before_s = container(overlay)["lifecycle"]["preStop"]["sleep"]["seconds"]
    probe = container(overlay)["readinessProbe"]

    needed_s = before_s + read.pre_stop_s + read.grace_s + SPARE_S
    assert pod(overlay)["terminationGracePeriodSeconds"] >= needed_s
    assert read.pre_stop_s >= probe["periodSeconds"] * probe["failureThreshold"]


def test_an_overlay_of_ones_own_gets_what_its_components_say(
    composed: list[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = settings(composed, monkeypatch)
    mounts = {mount["mountPath"]: mount for mount in container(composed)["volumeMounts"]}

    assert container(composed)["image"] == f"registry.ours.example/speech/dlpo:{__version__}-gpu"
    assert read.otlp_endpoint == "http://collector.monitoring:4317"
    assert read.tls is None
    assert "/etc/dlpo/tls" not in mounts
    assert read.keys_file is not None
    assert mounts[str(read.voice_directory)]["readOnly"] is True
    assert "replicas" not in one(composed, "Deployment")["spec"]
    assert {resource["metadata"]["namespace"] for resource in composed} == {"speech"}


def test_the_autoscaler_asks_for_figures_that_the_server_shows(render: Render) -> None:
    metrics = Metrics()
    metrics.watch(streams_active=lambda: 1, streams_waiting=lambda: 1, backlog_audio_s=lambda: 1)
    page = metrics.page()[0].decode()
    shown = set(re.findall(r"^# TYPE (\w+)", page, re.MULTILINE))
    adapter = yaml.safe_load((DEPLOY / "prometheus/adapter-values.yaml").read_text())
    offered = set()
    for rule in adapter["rules"]["custom"]:
        series = re.search(r'__name__=~"([^"]*)"', rule["seriesQuery"])
        names = series[1].split("|") if series else [rule["seriesQuery"].partition("{")[0]]
        assert set(names) <= shown
        if "name" in rule:
            replacement = rule["name"]["as"].replace("${1}", r"\1")
            names = [re.sub(rule["name"]["matches"], replacement, name) for name in names]
        offered.update(names)
        for reasons in re.findall(r'reason=~"([^"]*)"', rule["metricsQuery"]):
            assert set(reasons.split("|")) <= set(SHED_REASONS)

    scaler = one(render(KUBERNETES / "overlays/autoscaling"), "HorizontalPodAutoscaler")["spec"]

    assert {metric["pods"]["metric"]["name"] for metric in scaler["metrics"]} == offered
    assert scaler["scaleTargetRef"]["name"] == "dlpo"
