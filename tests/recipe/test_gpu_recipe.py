"""What a lent GPU does, in small on this processor."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recipe.carry import speech, unpack
from recipe.run import Runner
from recipe.speech.store import Sentence, append, write_clip
from recipe.speech.texts import Text
from recipe.stages import Recipe, Stage, jobs, needed, read_recipe
from tests.recipe.hums import write_hums

ROOT = Path(__file__).resolve().parents[2]
TEACHERS = ROOT.parent / "shared" / "teachers"
FEW = {
    "data": "--jobs 1",
    "control": "--set updates=1 --set window_batch=1 --set window=8 --set validation_sentences=1",
}
ARM = "--set updates=1 --set sentences=1 --set group=2 --set rows=2 --set window_batch=1"


def small(stage: Stage) -> Stage:
    """The same stage in one update."""
    few = FEW.get(stage.name, f"{ARM} --set window=8" if "dlpo tune" in stage.command else "")
    return replace(stage, command=f"{stage.command} {few}", seconds=0.0)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The file's, in folders of this test."""
    monkeypatch.chdir(ROOT)
    (tmp_path / "carried").mkdir()
    places = {name: str(tmp_path / name) for name in ("work", "carried", "out")}
    return read_recipe(ROOT / "recipe/gpu.toml", places)


@pytest.mark.full
def test_the_arms_of_a_lent_gpu_run_here(recipe: Recipe, tmp_path: Path) -> None:
    write_hums(tmp_path / "hum")
    speech(tmp_path / "hum", tmp_path / "carried/speech.tar", megabytes=1.0)
    todo = jobs(replace(recipe, stages=tuple(map(small, recipe.stages))))
    assert Runner(tmp_path / "work", needed(todo, ("results",)), print).run(1)
    with tarfile.open(tmp_path / "out/results.tar.gz") as tar:
        names = tar.getnames()
    for arm in ("control", "dlpo"):
        assert f"{arm}/checkpoint/model.safetensors" in names
        assert f"{arm}/log.jsonl" in names


@pytest.mark.full
@pytest.mark.skipif(not TEACHERS.exists(), reason="needs ../shared/teachers")
def test_what_the_teacher_said_comes_home(recipe: Recipe, tmp_path: Path) -> None:
    """From the clips on; the teacher's weights aren't here."""
    spoken = tmp_path / "work/spoken/af_heart"
    sound = np.r_[np.zeros(1200), np.sin(np.arange(24_000) / 20), np.zeros(1200)]
    said = Sentence("wˈAt.", ("Wait",) * 4 + (".",), [2, 10, 10, 10, 6, 4, 2],
                    sound.astype(np.float32), np.full(88, 100.0, np.float32))  # fmt: skip
    text = Text("CA0001", "Wait.", "conversation")
    append(spoken, write_clip(spoken, text, [said], "test"))
    (tmp_path / "carried/teachers").symlink_to(TEACHERS)
    stages = {stage.name: replace(stage, each=("af_heart",)) for stage in recipe.stages}
    left = (replace(stages["corpus"], needs=()), stages["home"])
    assert Runner(tmp_path / "work", jobs(replace(recipe, stages=left)), print).run(1)
    unpack(tmp_path / "out/heart.tar", tmp_path / "here")
    assert (tmp_path / "here/wavs/CA0001.flac").exists()
