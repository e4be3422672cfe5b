"""Each study runs on toys: one test for each, and one for each of its formulas."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from dlpo.errors import InputError
from dlpo.text.languages import open_language
from dlpo_bench.clips import Clip
from dlpo_bench.judging import JudgePanel, Quality, SystemScores, Take
from dlpo_bench.options import SpeakingOptions
from dlpo_serving.request import SpeechRequest
from research import endings, method_comparison, teachers

ROOT = Path(__file__).resolve().parents[2]
RATE = 22_050  # Hz


def test_method_comparison_draws_mean_and_range_over_seeds(tmp_path: Path) -> None:
    runs = []
    for seed, scores in enumerate(({0: 3.0, 4: 3.2}, {0: 3.0, 4: 3.0, 8: 9.0})):
        run = method_comparison.Run("dlpo", seed, tmp_path / str(seed))
        run.out.mkdir()
        lines = [
            {"update": u, "split": "validation", "held_out/nisqa": x} for u, x in scores.items()
        ]
        (run.out / "cost.json").write_text('{"rollouts_per_update": 16.0}')
        (run.out / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        runs.append(run)
    curve = method_comparison.curve("nisqa", "dlpo", runs)
    assert curve.scores == [0, 64]  # of the updates that every seed reached
    assert curve.mean == pytest.approx([3.0, 3.1])
    assert curve.high == pytest.approx([3.0, 3.2])
    assert "dlpo" in method_comparison.draw_curves({"nisqa": [curve]})


def test_direct_is_given_the_rewards_that_have_a_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    chain = SpeakingOptions((10,), schedule="linear", eta=1.0)
    rewards = "distillmos=2,dnsmos=1"
    budget = method_comparison.Budget(1, 1, 2, 1e-4, 3.0, 1, 1, chain, rewards, [])
    for name in ("direct", "rwr"):
        method_comparison.Run(name, 0, tmp_path).tune(tmp_path, tmp_path, tmp_path, budget)
    told = [command[command.index("--reward") + 1] for command in commands]
    assert told == ["distillmos=2.0", "distillmos=2.0,dnsmos=1.0"]
    assert shlex.join(commands[0]).count("--steps 10 --schedule linear --eta 1.0") == 1


def test_reward_is_the_mean_of_standardised_judges() -> None:
    def scores(a: list[float], b: list[float]) -> SystemScores:
        return SystemScores([Take({"a": np.array(a), "b": np.array(b)}, {}, {})])

    heard = {"untuned": scores([1, 3], [10, 30]), "tuned": scores([2, 4], [30, 10])}
    quality = Quality([], heard, JudgePanel([], {}, {}), "untuned", [], [], True)
    found = method_comparison.with_reward(quality, ["a", "b"]).scores
    np.testing.assert_allclose(found["untuned"].values["reward"], [1.0, 3.0])
    np.testing.assert_allclose(found["tuned"].values["reward"], [2.5, 2.5])
    assert method_comparison.with_reward(quality, []) is quality


def test_short_texts_of_a_voice_are_measured_beside_the_others() -> None:
    def voice(**flaws: str) -> teachers.TextVoice:
        def stream(request: SpeechRequest) -> list[Any]:
            seconds = 2 if request.text == flaws.get("long") else 1
            level = 0.01 if request.text == flaws.get("quiet") else 0.1
            heard = np.full(RATE * seconds, level, np.float32)
            if request.text != flaws.get("mute"):
                heard[-RATE // 20 :] *= 3
            last = SimpleNamespace(phoneme="T" if request.text == "cat" else "UW1", start=RATE // 2)
            word = SimpleNamespace(phonemes=(last,))
            return [SimpleNamespace(samples=heard, words=(word,))]

        manifest = SimpleNamespace(sample_rate_hz=RATE)
        speaker = SimpleNamespace(manifest=manifest, read=lambda request: request, stream=stream)
        return cast(teachers.TextVoice, SimpleNamespace(synthesizer=speaker))

    voices = {"ann": voice(), "ben": voice(quiet="who", long="cat"), "eve": voice(mute="cat")}
    measures = SimpleNamespace(burst=lambda end, _: 20 * np.log10(end[-1] / end[0]))
    found = teachers.short_texts(voices, dict.fromkeys(voices, -20.0), "en", measures)
    fine: dict[str, Any] = {"texts": 115, "quiet": [], "odd": [], "stops": 1, "unreleased": []}
    assert found["ann"] == fine
    assert found["ben"] == fine | {"quiet": ["who"], "odd": ["cat"]}
    assert found["eve"] == fine | {"unreleased": ["cat"]}


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
