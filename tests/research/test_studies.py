"""Each study runs on toys: one test for each, and one for each of its formulas."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo.errors import InputError
from dlpo.text.languages import open_language
from dlpo_bench.clips import Clip
from research import endings, teachers

ROOT = Path(__file__).resolve().parents[2]


def test_each_voice_has_one_folder_that_exists(tmp_path: Path) -> None:
    assert teachers.pairs_of([f"ann={tmp_path}"]) == {"ann": tmp_path}
    for wrong in (["ann"], [f"={tmp_path}"], [f"ann={tmp_path}/no"], [f"ann={tmp_path}"] * 2):
        with pytest.raises(InputError, match="expected VOICE=FOLDER"):
            teachers.pairs_of(wrong)


def test_sentences_of_endings_are_of_the_kinds_that_they_say() -> None:
    files = [ROOT / "benchmarks/endings.tsv", ROOT / "benchmarks/endings-es.tsv"]
    prompts = endings.read_tests([str(files[0]), f"{files[1]}=es-419"])
    assert len(prompts) == 140 + 75
    of = {code: open_language(code).endings for code in ("en-US", "es-419")}
    for one in prompts:
        wanted = "yes_no" if one.kind == "declarative" else one.kind
        assert of[one.language].kind(one.prompt.text) in (wanted, one.kind), one.prompt.text


def test_figures_are_shown_of_the_kinds_that_a_voice_has() -> None:
    figures = {"risen/ann/yes_no": 0.5, "rest_st/ann": 0.25, "crps": 0.4}
    assert endings.shown(figures, ["ann"]) == {"ann": {"yn": 0.5, "rest_st": 0.25}, "crps": 0.4}


def test_few_clips_come_from_all_over_the_list() -> None:
    clips = [Clip(str(number), "", None) for number in range(10)]
    assert [clip.clip_id for clip in teachers.evenly(clips, 4)] == ["0", "3", "6", "9"]
    assert teachers.evenly(clips, 20) == clips
