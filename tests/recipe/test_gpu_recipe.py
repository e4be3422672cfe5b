"""Every step for a lent GPU, in small on this processor."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from recipe.carry import speech
from recipe.run import Runner
from recipe.stages import Stage, jobs, needed, read_recipe
from tests.recipe.hums import write_hums

ROOT = Path(__file__).resolve().parents[2]
CALL = ("results",)  # as the file has it
FEW = {
    "data": "--jobs 1",
    "control": "--set updates=1 --set window_batch=1 --set window=8 --set validation_sentences=1",
}
ARM = "--set updates=1 --set sentences=1 --set group=2 --set rows=2 --set window_batch=1"


def small(stage: Stage) -> Stage:
    """The same stage in one update."""
    few = FEW.get(stage.name, f"{ARM} --set window=8" if "dlpo tune" in stage.command else "")
    return replace(stage, command=f"{stage.command} {few}", seconds=0.0)


@pytest.mark.full
def test_all_steps_of_a_lent_gpu_run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    hum, carried = tmp_path / "hum", tmp_path / "carried"
    write_hums(hum)
    carried.mkdir()
    speech(hum, carried / "speech.tar", megabytes=1.0)
    places = {"work": tmp_path / "work", "carried": carried, "out": tmp_path / "out"}
    recipe = read_recipe(ROOT / "recipe/gpu.toml", {k: str(v) for k, v in places.items()})
    todo = jobs(replace(recipe, stages=tuple(map(small, recipe.stages))))
    assert Runner(tmp_path / "work", needed(todo, CALL), print).run(1)
    with tarfile.open(tmp_path / "out/results.tar.gz") as tar:
        names = tar.getnames()
    for arm in ("control", "dlpo"):
        assert f"{arm}/checkpoint/model.safetensors" in names
        assert f"{arm}/log.jsonl" in names
