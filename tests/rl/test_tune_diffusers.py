"""The example that tunes a pipeline of diffusers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "tune_diffusers.py"


@pytest.mark.full
def test_a_pipeline_of_diffusers_learns_what_is_rewarded() -> None:
    pytest.importorskip("diffusers", reason="diffusers is not installed")
    run = [sys.executable, str(EXAMPLE)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=environment)
    before, after = map(float, re.findall(r"-?\d\.\d\d", done.stdout))
    assert after > before + 0.1
