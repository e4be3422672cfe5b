"""`make gpu-check` on a machine that has no GPU, and no time either."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/gpu-check"


def check(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *options, "--out", out]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_steps_that_cannot_run_are_skipped_with_a_reason(tmp_path: Path) -> None:
    assert check(tmp_path, "--limit-s", "0.1").returncode == 0
    steps = json.loads((tmp_path / "gpu-check.json").read_text())["steps"]
    why = {step["name"]: step["why"] for step in steps}
    assert {step["state"] for step in steps} == {"skipped"}
    assert why["a sentence on the CPU"] == "no time was left"
    assert "no NVIDIA driver" in why["first audio, cuda"] or "no time" in why["first audio, cuda"]
    assert all(name in (tmp_path / "gpu-check.md").read_text() for name in why)


def test_what_is_required_and_missing_ends_it_at_once(tmp_path: Path) -> None:
    done = check(tmp_path, "--require", "cuda", "tensorrt")
    assert done.returncode == 1
    assert "required, and can't be used here: cuda: " in done.stdout
    assert "here: tensorrt: " in done.stdout
    assert json.loads((tmp_path / "gpu-check.json").read_text())["steps"] == []


def test_the_tests_that_it_runs_are_there() -> None:
    assert all((ROOT / path).exists() for path in runpy.run_path(str(SCRIPT))["TESTS"])


def test_figures_of_all_kinds_of_records_are_found() -> None:
    records = sorted((ROOT / "benchmarks/records").glob("*.json"))
    rows = runpy.run_path(str(SCRIPT))["figures"](records)
    assert all(any(name in row for row in rows) for name in ("latency", "rtf", "stream"))
