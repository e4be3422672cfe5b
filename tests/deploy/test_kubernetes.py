"""What kustomize and helm make of deploy/: sound by schemas, equal, and in step with the server.

No cluster has ever run it here: see docs/kubernetes.md.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from dlpo import __version__
from dlpo_serving.protocols.endpoints import LIVENESS, SERVICES
from dlpo_serving.settings.server_settings import PREFIX, ServerSettings
from dlpo_serving.settings.sources import read_settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DOCS = DEPLOY.parent / "docs/kubernetes.md"
CHART = DEPLOY / "helm/dlpo"
GPU = ("--values", CHART / "values-gpu.yaml")
QUICK = ("--values", CHART / "values-quick.yaml")
OVERLAYS: dict[str, tuple[str | Path, ...]] = {  # and the chart's options that make the same
    "quick": QUICK,
    "quick-gpu": (*QUICK, *GPU),
    "production": (),
    "gpu": GPU,
    "autoscaling": ("--set", "autoscaling.kind=hpa"),
    "keda": ("--set", "autoscaling.kind=keda"),
    "gateway": ("--set", "gateway.enabled=true,tls.enabled=false"),
    "ingress": ("--set", "ingress.enabled=true,tls.enabled=false"),
    "voices": ("--set", "voices.enabled=true"),
    "monitoring": ("--set", "monitoring.enabled=true"),
}
VERSIONS = ("1.30", kubernetes_validate.latest_version())  # the oldest with preStop.sleep
FOREIGN = {"GRPCRoute", "Gateway", "HTTPRoute", "PodMonitor", "PrometheusRule", "ScaledObject"}
SPARE_S = 10  # of the pod's last seconds: statuses on their way, threads, Python's own end

Resource = dict[str, Any]
Render = Callable[[str], list[Resource]]


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Render:
    """`render(overlay)`: the resources that `kubectl apply -k` would send.

    `ours` is the overlay that docs/kubernetes.md has one write, without TLS as well.
    """
    program = shutil.which("kubectl")
    if program is None or shutil.which("openssl") is None:
        pytest.skip("kubectl or openssl is not installed; make cluster-tools")
    folder = tmp_path_factory.mktemp("own") / "deploy"
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("secrets"))
    subprocess.run([folder / "kubernetes/make-secrets"], check=True)
    (text,) = re.findall(r"^```yaml\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    ours = yaml.safe_load(text)
    ours["components"].append("../../components/plaintext")
    overlays = folder / "kubernetes/overlays"
    (overlays / "ours").mkdir()
    (overlays / "ours/kustomization.yaml").write_text(yaml.safe_dump(ours))
    return functools.cache(lambda name: made_by(program, "kustomize", overlays / name))


@pytest.fixture(scope="module")
def helm() -> str:
    """The program."""
    return shutil.which("helm") or pytest.skip("helm is not installed; make cluster-tools")


def made_by(*command: str | Path) -> list[Resource]:
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""  # kustomize warns there of what is deprecated
    return [resource for resource in yaml.safe_load_all(made.stdout) if resource]


@pytest.fixture(params=["quick", "production", "gpu", "autoscaling"])
def overlay(request: pytest.FixtureRequest, render: Render) -> list[Resource]:
    return render(request.param)


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


def comparable(resources: list[Resource]) -> dict[tuple[str, str], Resource]:
    """By kind and name, without what may differ: hashes in names, order, labels, random secrets."""
    found = {}
    for resource in json.loads(re.sub(r'"dlpo-[a-z0-9]{10}"', '"dlpo"', json.dumps(resources))):
        resource["metadata"].pop("labels", None)
        if resource["kind"] == "Secret":
            resource["data"] = sorted(resource["data"])
        if resource["kind"] == "Deployment":
            template = resource["spec"]["template"]
            template["metadata"].pop("annotations", None)  # helm's hash of the settings
            (server,) = template["spec"]["containers"]
            server.pop("imagePullPolicy", None)
            for holder, key in ((template["spec"], "volumes"), (server, "volumeMounts")):
                holder[key] = sorted(holder.get(key) or (), key=itemgetter("name"))
            server.setdefault("env", [])
        found[resource["kind"], resource["metadata"]["name"]] = resource
    return found


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_chart_makes_what_the_overlay_makes(render: Render, helm: str, name: str) -> None:
    command = (helm, "template", "dlpo", CHART, "--namespace", "dlpo", *OVERLAYS[name])
    chart, overlay = comparable(made_by(*command)), comparable(render(name))

    del overlay["Namespace", "dlpo"]  # helm --create-namespace
    chart.pop(("Secret", "dlpo-token"), None)  # make-secrets prints it
    if ("Secret", "dlpo-tls") not in chart:  # a Gateway has the certificate: this one is not used
        overlay.pop(("Secret", "dlpo-tls"), None)
    assert chart == overlay


def test_helm_finds_no_fault_in_the_chart_but_in_wrong_values(helm: str) -> None:
    for options in OVERLAYS.values():
        subprocess.run([helm, "lint", "--strict", CHART, *options], check=True)
    for wrong in ("tls.enabled=7", "replica=2", "settings.LANES=2", "gateway.enabled=true"):
        assert subprocess.run([helm, "template", CHART, "--set", wrong], check=False).returncode


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [*OVERLAYS, "ours"])
def test_every_resource_is_sound_by_the_schemas_of_kubernetes(
    render: Render, name: str, version: str
) -> None:
    for resource in render(name):
        if resource["kind"] not in FOREIGN:
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


def test_secrets_are_there_read_only_and_not_for_everybody(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = render("production")
    volumes = {v["name"]: v["secret"] for v in pod(locked)["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in container(locked)["volumeMounts"]}
    read = settings(locked, monkeypatch)
    for path in (read.keys_file, read.tls_certificate, read.tls_key):
        assert path is not None
        mount = mounts[str(path.parent)]
        assert mount["readOnly"]
        assert "subPath" not in mount
        secret = volumes[mount["name"]]
        assert secret["defaultMode"] == 0o440
        assert path.name in one(locked, "Secret", secret["secretName"])["data"]


def test_a_trial_needs_no_secret(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings(render("quick"), monkeypatch)
    assert (read.keys_file, read.tls) == (None, None)
    kinds = {resource["kind"] for resource in render("quick")}
    assert "Namespace" in kinds
    assert kinds.isdisjoint({"Secret", "NetworkPolicy"})


def test_the_server_understands_every_setting(overlay: list[Resource]) -> None:
    figures = one(overlay, "ConfigMap")
    named = [*figures["data"], *(v["name"] for v in container(overlay).get("env", ()))]
    assert set(named) <= {PREFIX + name.upper() for name in ServerSettings.model_fields}
    source = container(overlay)["envFrom"][0]["configMapRef"]["name"]
    assert source == figures["metadata"]["name"]


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


def test_grace_period_covers_the_servers_shutdown(
    overlay: list[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = settings(overlay, monkeypatch)
    before_s = container(overlay)["lifecycle"]["preStop"]["sleep"]["seconds"]
    probe = container(overlay)["readinessProbe"]

    needed_s = before_s + read.pre_stop_s + read.grace_s + SPARE_S
    assert pod(overlay)["terminationGracePeriodSeconds"] >= needed_s
    assert read.pre_stop_s >= probe["periodSeconds"] * probe["failureThreshold"]


def test_an_overlay_of_ones_own_gets_what_its_components_say(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = render("ours")
    read = settings(ours, monkeypatch)
    mounts = {mount["mountPath"]: mount for mount in container(ours)["volumeMounts"]}

    assert container(ours)["image"] == f"registry.ours.example/speech/dlpo:{__version__}-gpu"
    assert container(ours)["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert one(render("gpu"), "Deployment")["spec"]["replicas"] == 1
    assert read.otlp_endpoint == "http://collector.monitoring:4317"
    assert read.tls is None
    assert read.keys_file is not None
    assert mounts[str(read.voice_directory)]["readOnly"] is True
    assert "replicas" not in one(ours, "Deployment")["spec"]
    assert one(ours, "Namespace", "speech")


def test_the_autoscaler_asks_for_figures_that_the_adapter_offers(render: Render) -> None:
    adapter = yaml.safe_load((DEPLOY / "prometheus/adapter-values.yaml").read_text())
    offered = set()
    for rule in adapter["rules"]["custom"]:
        name = rule["seriesQuery"].partition("{")[0]
        if "name" in rule:
            replacement = rule["name"]["as"].replace("${1}", r"\1")
            name = re.sub(rule["name"]["matches"], replacement, name)
        offered.add(name)
    scaler = one(render("autoscaling"), "HorizontalPodAutoscaler")["spec"]

    assert adapter["rules"].keys() == {"custom"}  # what others scale on stays
    assert {metric["pods"]["metric"]["name"] for metric in scaler["metrics"]} == offered
    assert scaler["scaleTargetRef"]["name"] == "dlpo"
