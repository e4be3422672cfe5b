"""Each study runs on toys: one test for each, and one for each of its formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
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


def test_arms_are_read_where_questions_rise_alike() -> None:
    rising = np.arange(40) < 20

    def curve(pace: float) -> dict[str, Any]:
        update = np.arange(0.0, 5.0)
        ends = (pace * update)[:, None] * rising - 4
        changed = {"rest_square": update[:, None] ** 2 + 0 * ends, "rest_own": np.full((5, 40), 4)}
        read = {"movement": ends, "risen": ends >= -1, "crps": np.full((5, 3), 0.4 + pace / 10)}
        return {"update": update, **read, **changed}

    curves = {"DLPO": [curve(1.0)] * 2, "control": [curve(0.0)] * 2, "fast": [curve(2.0)] * 2}
    found = endings.compared(curves, rising)
    value = {name: figure["value"] for name, figure in found["fast"].items()}
    assert value["at 2/update"] == pytest.approx(1)
    assert value["at 2/update, less DLPO"] == pytest.approx(-1)
    assert value["at 2/rest_st"] == pytest.approx(1)
    assert value["at 2/over_control"] == pytest.approx(0.2)
    assert value["at 2/others_up_st"] == 0
    assert found["fast"]["at 2/over_control"]["interval_95"] == pytest.approx([0.2, 0.2])
    assert "control" not in found


def test_few_clips_come_from_all_over_the_list() -> None:
    clips = [Clip(str(number), "", None) for number in range(10)]
    assert [clip.clip_id for clip in teachers.evenly(clips, 4)] == ["0", "3", "6", "9"]
    assert teachers.evenly(clips, 20) == clips
