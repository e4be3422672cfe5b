"""What helm makes of the chart: sound by schemas, and in step with the server.

No cluster has ever run it here: see docs/kubernetes.md.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from dlpo.config.fields import kinds_of
from dlpo_cli import app
from dlpo_serving.protocols.endpoints import LIVENESS, SERVICES
from dlpo_serving.settings.server_settings import PREFIX, ServerSettings
from dlpo_serving.settings.sources import read_settings
from scripts import chart_schema

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
CHART = DEPLOY / "helm/dlpo"
MANIFEST = DEPLOY / "kubernetes.yaml"
PLACED = Path(__file__).with_name("placed.yaml")
GPU = ("--values", CHART / "values-gpu.yaml")
QUICK = ("--values", CHART / "values-quick.yaml")
CHOICES: dict[str, tuple[str | Path, ...]] = {  # name -> options of helm
    "quick": QUICK,
    "quick-gpu": (*QUICK, *GPU),
    "production": (),
    "gpu": GPU,
    "plans": (*GPU, "--set", "gpu.tensorrt=true,gpu.plansClaim=plans,gpu.plansJob=true"),
    "autoscaling": ("--set", "autoscaling.kind=hpa"),
    "keda": ("--set", "autoscaling.kind=keda"),
    "gateway": ("--set", "gateway.enabled=true,tls.enabled=false"),
    "ingress": ("--set", "ingress.enabled=true,tls.enabled=false"),
    "voices": ("--set", "voices.enabled=true"),
    "monitoring": ("--set", "monitoring.enabled=true"),
    "placed": ("--values", PLACED),
    "placed-gpu": ("--values", PLACED, *GPU),
}
VERSIONS = ("1.30", kubernetes_validate.latest_version())  # the oldest with preStop.sleep
FOREIGN = {
    "Certificate", "GRPCRoute", "Gateway", "HTTPRoute", "PodMonitor", "PrometheusRule",
    "ScaledObject", "ServiceMonitor",
}  # fmt: skip
SPARE_S = 10  # of the pod's last seconds: statuses on their way, threads, Python's own end

Resource = dict[str, Any]
Render = Callable[..., list[Resource]]


@pytest.fixture(params=["quick", "production", "gpu", "plans", "autoscaling"])
def resources(request: pytest.FixtureRequest, render: Render) -> list[Resource]:
    return render(*CHOICES[request.param])


def one(resources: list[Resource], kind: str, name: str = "dlpo") -> Resource:
    (found,) = (
        resource
        for resource in resources
        if resource["kind"] == kind and resource["metadata"]["name"] == name
    )
    return found


def pod(resources: list[Resource]) -> Resource:
    return dict(one(resources, "Deployment")["spec"]["template"]["spec"])


def container(resources: list[Resource]) -> Resource:
    return dict(pod(resources)["containers"][0])


def settings(resources: list[Resource], monkeypatch: pytest.MonkeyPatch) -> ServerSettings:
    """What the server reads from the environment that the pod gives it."""
    for name, value in one(resources, "ConfigMap")["data"].items():
        monkeypatch.setenv(name, value)
    return read_settings([])


def test_the_plain_manifest_is_what_the_chart_makes(helm: str, tmp_path: Path) -> None:
    subprocess.run([DEPLOY.parent / "scripts/manifest", tmp_path / "made.yaml"], check=True)
    assert (tmp_path / "made.yaml").read_text() == MANIFEST.read_text(), "run scripts/manifest"


def test_helm_finds_no_fault_in_the_chart_but_in_wrong_values(helm: str) -> None:
    for options in CHOICES.values():
        subprocess.run([helm, "lint", "--strict", CHART, *options], check=True)
    for wrong in ("tls.enabled=7", "replica=2", "settings.LANES=2", "gateway.enabled=true"):
        assert subprocess.run([helm, "template", CHART, "--set", wrong], check=False).returncode


def test_the_chart_knows_the_settings_of_the_server() -> None:
    text = chart_schema.SCHEMA.read_text("utf-8")
    assert chart_schema.schema(text) == text, "run python scripts/chart_schema.py"
    assert chart_schema.NAMES.read_text("utf-8") == chart_schema.names()


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("replicaCount=3", "did you mean replicas?"),
        ("gpu.plansJob=true", "needs gpu.enabled, gpu.tensorrt and"),
        ("settings.DLPO_MAX_STREAM=4", "DLPO_MAX_STREAMS?"),
        ("settings.DLPO_FOO=4", "see settings.txt"),
        ("settings.DLPO_LOG_FORMAT=xml", "'plain', 'logfmt', 'json'"),
        ("settings.DLPO_PORT=99999", "want 65,535"),
        ("settings.DLPO_METRICS=maybe", "true|false"),
    ],
)
def test_wrong_values_are_answered_by_name(helm: str, value: str, answer: str) -> None:
    command = [helm, "template", "dlpo", CHART, "--set", value]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode
    assert answer in refused.stderr


@pytest.mark.parametrize("name", ["placed", "placed-gpu"])
def test_what_operators_add_reaches_the_pods(render: Render, name: str) -> None:
    given = yaml.safe_load(PLACED.read_text())
    made = render(*CHOICES[name])
    spec, server = pod(made), container(made)
    service = one(made, "Service")
    template = one(made, "Deployment")["spec"]["template"]["metadata"]

    assert spec["nodeSelector"].items() >= given["nodeSelector"].items()
    assert all(one_of in spec["tolerations"] for one_of in given["tolerations"])
    assert ("nvidia.com/gpu.present" in spec["nodeSelector"]) == (name == "placed-gpu")
    assert (spec["affinity"], spec["priorityClassName"]) == (given["affinity"], "speech")
    assert template["annotations"].items() >= given["podAnnotations"].items()
    assert template["labels"].items() >= given["podLabels"].items()
    assert spec["serviceAccountName"] == "own"
    assert not [resource for resource in made if resource["kind"] == "ServiceAccount"]
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["metadata"]["annotations"] == given["service"]["annotations"]
    assert given["extraEnv"][0] in server["env"]
    assert given["extraVolumes"][0] in spec["volumes"]
    assert given["extraVolumeMounts"][0] in server["volumeMounts"]
    assert spec["initContainers"][0] == given["initContainers"][0]
    assert spec["containers"][1:] == given["extraContainers"]
    assert spec["securityContext"].keys() == {"runAsNonRoot", "seccompProfile"}
    assert server["securityContext"]["readOnlyRootFilesystem"] is False
    assert server["securityContext"]["allowPrivilegeEscalation"] is False
    deployment = one(made, "Deployment")["spec"]
    assert (deployment["strategy"], deployment["revisionHistoryLimit"]) == (given["strategy"], 2)
    certificate = one(made, "Certificate", "dlpo-tls")["spec"]
    assert certificate["issuerRef"] == given["tls"]["issuer"]
    assert "dlpo-tls" in {v["secret"]["secretName"] for v in spec["volumes"] if "secret" in v}
    assert not [one for one in made if one.get("type") == "kubernetes.io/tls"]
    (endpoint,) = one(made, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    admitted = one(made, "NetworkPolicy")["spec"]["ingress"][0]["from"]
    assert given["networkPolicy"]["from"][0] in admitted


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", CHOICES)
def test_every_resource_is_sound_by_the_schemas_of_kubernetes(
    render: Render, name: str, version: str
) -> None:
    for resource in render(*CHOICES[name]):
        if resource["kind"] not in FOREIGN:
            kubernetes_validate.validate(resource, version, strict=True)


def test_the_pod_may_do_nothing_but_speak(resources: list[Resource]) -> None:
    spec, server = pod(resources), container(resources)

    assert spec["automountServiceAccountToken"] is False
    assert one(resources, "ServiceAccount")["automountServiceAccountToken"] is False
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
    locked = render()
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
    read = settings(render(*QUICK), monkeypatch)
    assert (read.keys_file, read.tls) == (None, None)
    kinds = {resource["kind"] for resource in render(*QUICK)}
    assert kinds.isdisjoint({"Secret", "NetworkPolicy"})


def test_the_server_understands_every_setting(resources: list[Resource]) -> None:
    figures = one(resources, "ConfigMap")
    named = [*figures["data"], *(v["name"] for v in container(resources).get("env", ()))]
    assert set(named) <= {PREFIX + name.upper() for name in kinds_of(ServerSettings)}
    source = container(resources)["envFrom"][0]["configMapRef"]["name"]
    assert source == figures["metadata"]["name"]


def test_ports_and_probes_are_those_of_the_server(
    resources: list[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, server = settings(resources, monkeypatch), container(resources)
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}

    assert ports == {"grpc": read.port, "http": read.http_port, "health": read.health_port}
    assert read.port == ServerSettings().port
    assert {read.host, read.http_host, read.health_host} == {"0.0.0.0"}
    for name, service in (("startup", None), ("readiness", None), ("liveness", LIVENESS)):
        probe = server[f"{name}Probe"]["grpc"]
        assert probe["port"] == read.health_port
        assert probe["service"] == service or (service is None and probe["service"] in SERVICES)
    for name in ("dlpo", "dlpo-headless"):
        service = one(resources, "Service", name)["spec"]
        for port in service["ports"]:
            assert port["port"] == ports[port["targetPort"]]
    assert one(resources, "Service", "dlpo-headless")["spec"]["clusterIP"] == "None"


def test_grace_period_covers_the_servers_shutdown(
    resources: list[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = settings(resources, monkeypatch)
    before_s = container(resources)["lifecycle"]["preStop"]["sleep"]["seconds"]
    probe = container(resources)["readinessProbe"]

    needed_s = before_s + read.pre_stop_s + read.grace_s + SPARE_S
    assert pod(resources)["terminationGracePeriodSeconds"] >= needed_s
    assert read.pre_stop_s >= probe["periodSeconds"] * probe["failureThreshold"]


def test_the_autoscaler_asks_for_figures_that_the_adapter_offers(render: Render) -> None:
    adapter = yaml.safe_load((DEPLOY / "prometheus/adapter-values.yaml").read_text())
    offered = set()
    for rule in adapter["rules"]["custom"]:
        name = rule["seriesQuery"].partition("{")[0]
        if "name" in rule:
            replacement = rule["name"]["as"].replace("${1}", r"\1")
            name = re.sub(rule["name"]["matches"], replacement, name)
        offered.add(name)
    scaler = one(render(*CHOICES["autoscaling"]), "HorizontalPodAutoscaler")["spec"]

    assert adapter["rules"].keys() == {"custom"}  # what others scale on stays
    assert {metric["pods"]["metric"]["name"] for metric in scaler["metrics"]} == offered
    assert scaler["scaleTargetRef"]["name"] == "dlpo"


def test_one_value_builds_plans_on_the_node_and_uses_them(render: Render) -> None:
    spec = one(render(*GPU, "--set", "gpu.tensorrt=true"), "Deployment")["spec"]["template"]["spec"]
    (builder,), (server,) = spec["initContainers"], spec["containers"]

    assert builder["image"] == server["image"]
    assert builder["resources"]["limits"]["nvidia.com/gpu"] == "1"
    out, cache = (builder["args"][builder["args"].index(f) + 1] for f in ("--out", "--cache"))
    assert {"name": "DLPO_VOICES", "value": out} in server["env"]
    mounts = {mount["mountPath"]: mount["name"] for mount in builder["volumeMounts"]}
    folder = str(Path(out).parent)
    read = {"name": mounts[folder], "mountPath": folder, "readOnly": True}
    assert read in server["volumeMounts"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert all("emptyDir" in volumes[mounts[path]] for path in (folder, cache))
    dlpo = CliRunner().invoke(app, [*builder["args"][:1], "--help"])
    assert all(word in dlpo.output for word in builder["args"] if word.startswith("--"))


def test_a_job_fills_the_cache_that_the_pods_read(render: Render) -> None:
    made = render(*CHOICES["plans"])
    job, served = one(made, "Job", "dlpo-plans"), pod(made)
    spec = job["spec"]["template"]["spec"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert spec["containers"] == served["initContainers"]
    claim = {"name": "plans", "persistentVolumeClaim": {"claimName": "plans"}}
    assert claim in spec["volumes"]
    assert claim in served["volumes"]
    for key in ("nodeSelector", "tolerations", "securityContext", "automountServiceAccountToken"):
        assert spec[key] == served[key]
    assert "labels" not in job["spec"]["template"].get("metadata", {})  # else services find it
