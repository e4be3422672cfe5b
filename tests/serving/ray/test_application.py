"""What is deployed, and what is refused before Ray is asked for anything."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dlpo.errors import ConfigError, DlpoError, InputError, MissingExtraError
from dlpo_serving.__main__ import run
from dlpo_serving.ray import cluster, proxy
from dlpo_serving.ray.application import check, from_arguments, settings_of_replica
from dlpo_serving.ray.proxy import APPLICATION
from dlpo_serving.settings.server_settings import ServerSettings

DOCS = Path(__file__).resolve().parents[3] / "docs/ray.md"
OPEN = {"ray": True, "host": "0.0.0.0", "port": 0, "ray_http_port": 0}
SHOW = """
import json, sys
from dlpo_serving.ray.application import build
from dlpo_serving.settings.sources import read_settings

def asked(flags):
    deployment = build(read_settings(["--ray", *flags]))._bound_deployment
    config = deployment._deployment_config
    scaling = config.autoscaling_config
    return {
        "actor": deployment.ray_actor_options,
        "calls": config.max_ongoing_requests,
        "end_s": config.graceful_shutdown_timeout_s,
        "replicas": [scaling.min_replicas, scaling.max_replicas],
        "target": scaling.target_ongoing_requests,
    }

print(json.dumps([asked(flags) for flags in json.loads(sys.argv[1])]))
"""


def test_serve_is_asked_for_what_the_settings_say(ray_python: str) -> None:
    flags = [
        [
            "--ray-min-replicas", "2", "--ray-max-replicas", "7", "--ray-target-streams", "2.5",
            "--ray-cpus", "1.5", "--ray-gpus", "0.25", "--max-streams", "40", "--grace-s", "3",
        ],
        ["--ray-min-replicas", "3"],
    ]  # fmt: skip
    command = [ray_python, "-c", SHOW, json.dumps(flags)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    all_told, least = json.loads(shown.stdout)

    assert all_told["actor"] == {"num_cpus": 1.5, "num_gpus": 0.25}
    assert all_told["replicas"] == [2, 7]
    assert all_told["target"] == 2.5
    assert all_told["calls"] == 40
    assert all_told["end_s"] > 3
    assert least["replicas"] == [3, 3]


def test_the_configuration_in_the_docs_is_one() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed; mkdocs brings it")
    (block,) = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    config = yaml.safe_load(block)
    (application,) = config["applications"]
    (function,) = config["grpc_options"]["grpc_servicer_functions"]

    assert application["name"] == APPLICATION
    assert application["import_path"] == f"{from_arguments.__module__}:{from_arguments.__name__}"
    assert function == f"{proxy.add_services.__module__}.{proxy.add_services.__name__}"
    check(ServerSettings(**application["args"]))


def test_a_replica_computes_on_the_cores_that_it_takes() -> None:
    def lanes(**settings: Any) -> int | None:
        return settings_of_replica(ServerSettings(**settings)).lanes

    assert [lanes(ray_cpus=n) for n in (0.5, 1, 3)] == [1, 1, 3]
    assert lanes(ray_cpus=3, lanes=2) == 2
    assert lanes(ray_cpus=3, engine="cuda", ray_gpus=1) == 1  # which batches


def test_the_server_of_a_replica_is_reached_from_its_machine_alone() -> None:
    own = settings_of_replica(ServerSettings(**OPEN, max_streams=9))

    assert (own.host, own.port, own.ray, own.max_streams) == ("127.0.0.1", 0, False, 9)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"http_port": 8080}, "http_port is 8080; .*leave --http-port out"),
        ({"health_port": 8081}, "health_port"),
        ({"tls_certificate": Path("c"), "tls_key": Path("k")}, "tls_certificate is c"),
        ({"stall_s": 5}, "stall_s"),
        ({"pre_stop_s": 5}, "pre_stop_s"),
        ({"channelz": True}, "channelz"),
        ({"ray_min_replicas": 3, "ray_max_replicas": 2}, "ray_max_replicas is 2; expected .*3"),
        ({"engine": "tensorrt"}, "engine is tensorrt and ray_gpus is 0.*--ray-gpus"),
    ],
)
def test_a_setting_without_sense_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check(ServerSettings(**OPEN, **settings))


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"host": "127.0.0.1"}, ConfigError, "every interface: say so with --host 0.0.0.0"),
        ({"voices": ("ann",)}, InputError, "no voice 'ann'"),
        ({"ray_max_replicas": 1, "ray_min_replicas": 2}, ConfigError, "ray_max_replicas"),
    ],
)
def test_a_mistake_is_told_before_ray_is_started(
    settings: dict[str, Any], error: type[DlpoError], told: str
) -> None:
    with pytest.raises(error, match=told):
        run(ServerSettings(**OPEN | settings))


def test_without_ray_the_pip_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("ray"):
        pytest.skip("ray is installed")
    monkeypatch.setattr(cluster, "configure_logs", lambda *_: None)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", *cluster.OF_RAY):
        monkeypatch.setenv(name, "")  # they are to be as they were afterwards

    with pytest.raises(MissingExtraError, match=r"pip install 'dlpo\[ray\]'"):
        run(ServerSettings(**OPEN))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"ray_gpus": 0.5}, "ray_gpus is 0.5 for each of 1 replicas; this machine has 0 GPUs"),
        ({"ray_min_replicas": 3}, "ray_cpus is 1 for each of 3 replicas; .* 2 CPUs"),
    ],
)
def test_what_the_machine_has_not_is_told(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        cluster.check_resources(ServerSettings(**OPEN, **settings), {"CPU": 2.0})
