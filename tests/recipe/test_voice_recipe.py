"""The recipe of the voices that ship, on seconds of humming and in two updates a stage."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dlpo.bundle import Bundle
from recipe.recordings import main as resample
from recipe.run import Runner, core_hours
from recipe.stages import Recipe, Stage, jobs, read_recipe
from tests.recipe.hums import write_hums, write_pitch

ROOT = Path(__file__).resolve().parents[2]
JUDGES = ROOT.parent / "shared" / "models"
VOICES = ("af_heart", "am_michael", "ef_dora")
SPANISH = (
    "1|¿Vienes mañana?", "2|Llego a las tres.", "3|¿Tienes hambre?", "4|Ya está todo listo.",
)  # fmt: skip
SPOKEN = (
    "kokoro", "hibari", "whisper", "letters", "speech", "corpus", "prosody", "prosody-corpus",
)  # fmt: skip
"""need the teachers"""
FEW = {
    # until clips last long enough to be judged
    "acoustics": "--set updates=60 --set acoustic_batch=2 --set timing_batch=2 --set warmup=5",
    "denoiser": "--set updates=2 --set batch=2",
    "joint": "--set updates=2 --set batch=2 --set adversarial_from=1",
    "refined": "--set updates=2 --set batch=2 --set adversarial_from=1",
    "sound": "--set updates=2 --set batch=2 --set adversarial_from=1",
    "timing": "--set updates=2 --set timing_batch=2",
    "contour": "--set updates=2 --set reading_updates=1 --set batch=2",
    "tuned": "--set updates=1 --set sentences=1 --set adversary_warm_up=1"
    " --set validation_sentences=1",
    "endings": "--set updates=1",
}


def small(recipe: Recipe) -> Recipe:
    """Three voices of Kokoro, without the stages that need the teachers."""
    names = {"lj", *(voice.rpartition("_")[2] for voice in VOICES)}
    shares = {
        table: {name: 1 / 4 for name in shares if name.removeprefix("prosody-") in names}
        for table, shares in recipe.shares.items()
    }
    stages = [_small(stage, names) for stage in recipe.stages if stage.name not in SPOKEN]
    return replace(recipe, stages=tuple(stages), shares=shares)


def _small(stage: Stage, names: set[str]) -> Stage:
    words = f"{stage.command} {FEW.get(stage.name, '')}".replace(",whisper=1", "").split()
    offered = [at for at, word in enumerate(words) if word == "--voice"]
    gone = {at + part for at in offered for part in (0, 1) if words[at + 1] not in names}
    command = " ".join(word for at, word in enumerate(words) if at not in gone)
    command = command.replace("--whisper {work}/weights/tiny.en", "")
    needs = tuple(need for need in stage.needs if need not in SPOKEN)
    return replace(
        stage, command=command, needs=needs, each=tuple(v for v in VOICES if v in stage.each)
    )


@pytest.mark.full
@pytest.mark.skipif(not JUDGES.exists(), reason="needs ../shared/models")
def test_the_recipe_of_the_voices_makes_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    hum, work = tmp_path / "hum", tmp_path / "work"
    write_hums(hum)
    for voice in VOICES:
        corpus = work / "corpora" / voice.rpartition("_")[2]
        resample(hum, corpus)
        shutil.copy(hum / "alignments.tsv.xz", corpus)
        write_pitch(corpus, work / "prosody-corpora" / corpus.name)
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "spanish.csv").write_text("\n".join(SPANISH * 30) + "\n")
    places = {"work": work, "recordings": hum, "bundle": tmp_path / "bundle", "texts": texts}
    recipe = read_recipe(ROOT / "recipe/voice.toml", {k: str(v) for k, v in places.items()})
    runner = Runner(work, jobs(small(recipe)), print)
    assert runner.run(2)
    assert not runner.waiting()
    bundle = Bundle.load(tmp_path / "bundle")
    assert bundle.manifest.sample_rate_hz == 24_000
    english = dict.fromkeys(("heart", "lj", "michael"), "en-US")
    assert bundle.manifest.voice_languages == {**english, "dora": "es-419"}
    assert sum(core_hours(runner.attempts()).values()) > 0
