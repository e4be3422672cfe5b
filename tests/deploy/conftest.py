"""The chart, rendered by helm."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).resolve().parents[2] / "deploy/helm/dlpo"


@pytest.fixture(scope="session")
def helm() -> str:
    """The program."""
    return shutil.which("helm") or pytest.skip("helm is not installed; make cluster-tools")


@pytest.fixture(scope="session")
def render(helm: str) -> Callable[..., list[dict[str, Any]]]:
    """`render(*options)`: the resources of the chart; the same options give the same secrets."""

    @functools.cache
    def rendered(*options: str | Path) -> list[dict[str, Any]]:
        command = [helm, "template", "dlpo", CHART, "--namespace", "dlpo", *options]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        assert made.stderr == ""
        return [resource for resource in yaml.safe_load_all(made.stdout) if resource]

    return rendered
