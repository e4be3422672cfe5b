"""What a cluster draws, alarms by and scales on, against a running server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from dlpo_serving.client import SpeechClient
from dlpo_serving.operations.metrics import SHED_REASONS
from dlpo_serving.request import SpeechRequest
from tests.callers import WAIT_S, ServerProcess, server_process

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
MONITORING = DEPLOY / "helm/dlpo/monitoring"
RULES = yaml.safe_load((MONITORING / "prometheus-rule.yaml").read_text())["spec"]
PANELS = json.loads((MONITORING / "dlpo.json").read_text())["panels"]
ADAPTER = yaml.safe_load((DEPLOY / "prometheus/adapter-values.yaml").read_text())["rules"]
TEXT = SpeechRequest("What is to come casts its shadow before it, and the wise step aside.")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with server_process(tmp_path_factory.mktemp("server"), "--lanes", "1") as server:
        yield server


@pytest.fixture
def promtool() -> str:
    """The program."""
    return shutil.which("promtool") or pytest.skip("promtool is not installed; make cluster-tools")


def page(server: ServerProcess) -> str:
    with urllib.request.urlopen(f"http://{server.http_address}/metrics") as reply:
        return str(reply.read().decode())


def test_dashboard_and_alerts_query_existing_metrics(server: ServerProcess) -> None:
    asked = [rule["expr"] for group in RULES["groups"] for rule in group["rules"]]
    asked += [target["expr"] for panel in PANELS for target in panel["targets"]]
    asked += [rule["seriesQuery"] + rule["metricsQuery"] for rule in ADAPTER["custom"]]
    with SpeechClient(server.address) as client:
        client.speak(TEXT, timeout_s=WAIT_S)
    families = text_string_to_metric_families(page(server))
    shown = {sample.name for family in families for sample in family.samples}
    for expression in asked:
        names = set(re.findall(r"\b(?:dlpo|grpc|process)_\w+\b(?!=)", expression))
        names -= {"grpc_code", "grpc_method"}  # labels
        assert names
        assert names <= shown, expression
        for reasons in re.findall(r'reason=~"([^"]*)"', expression):
            assert set(reasons.split("|")) <= set(SHED_REASONS)


def test_promtool_reads_every_expression_and_hears_each_alert(
    tmp_path: Path, promtool: str
) -> None:
    drawn = [target["expr"] for panel in PANELS for target in panel["targets"]]
    drawn = [re.sub(r"\$__\w+", "1m", expression) for expression in drawn]
    rules = [{"record": f"drawn_{n}", "expr": expression} for n, expression in enumerate(drawn)]
    groups = [*RULES["groups"], {"name": "dashboard", "rules": rules}]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    shutil.copy(Path(__file__).with_name("alerts.yaml"), tmp_path)
    for command in (("check", "rules", "rules.yaml"), ("test", "rules", "alerts.yaml")):
        subprocess.run([promtool, *command], cwd=tmp_path, check=True)
