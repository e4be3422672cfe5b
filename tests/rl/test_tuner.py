"""The tuner: it learns what it is told to, resumes to the bit, and says what it did."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from dlpo.checkpoint import load_checkpoint
from dlpo.rl.methods import METHODS, Method, Objective
from dlpo.rl.tuner import Tuner

RESUMED = {
    "dlpo": (Objective("dlpo", guide="both"), {"passes": 2}),
    "dlpo, augmented": (Objective("dlpo"), {"augment": True}),
    "control": (Objective("control"), {"passes": 2}),
    "direct": (Objective("direct", guide="recordings", last_steps=2), {}),
    "weights": (Objective("dlpo", "weights"), {"subspace": "rank1", "grow_every": 1}),
}


def stop_at(tuner: Tuner, update: int) -> None:
    def report(reached: int, figures: dict[str, float]) -> None:
        if reached == update:
            os.kill(os.getpid(), signal.SIGTERM)

    tuner.run(report)


@pytest.mark.parametrize("kind", RESUMED)
def test_a_resumed_run_equals_one_that_never_stopped(kind: str, tuning: Any) -> None:
    objective, settings = RESUMED[kind]
    tuning.tuner("whole", objective, **settings).run()
    halted = tuning.tuner("parts", objective, **settings)
    stop_at(halted, 2)
    assert (halted.update, halted.stop_signal) == (2, signal.SIGTERM)
    tuning.tuner("parts", objective, **settings).run()
    whole, parts = tuning.weights("whole"), tuning.weights("parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    before, after = tuning.progress("whole"), tuning.progress("parts")
    for told in ("update", "moments", "best", "baseline", "last"):
        assert before[told] == after[told]
    for file in ("checkpoint", "best"):
        a, b = (load_checkpoint(tuning.out / run / file).sha256 for run in ("whole", "parts"))
        assert a == b


@pytest.mark.parametrize("method", METHODS)
def test_every_method_moves_the_denoiser_and_nothing_else(method: Method, tuning: Any) -> None:
    tuning.tuner(objective=Objective(method), updates=1).run()
    start = load_checkpoint(tuning.checkpoint).model.state_dict()
    tuned = load_checkpoint(tuning.out / "run" / "checkpoint").model.state_dict()
    moved = {
        name
        for name, value in start.items()
        if not torch.equal(value.half(), tuned[name].half())  # as a checkpoint keeps them
    }
    assert "patch_out.weight" in moved
    denoiser = ("level", "patch_in", "patch_out", "down", "up", "film")
    assert all(name.startswith(denoiser) for name in moved)


@pytest.mark.full
@pytest.mark.parametrize(("method", "learning_rate"), [("dlpo", 3e-3), ("direct", 3e-4)])
def test_tuning_raises_the_reward_on_sentences_that_it_never_said(
    method: Method, learning_rate: float, tuning: Any
) -> None:
    tuner = tuning.tuner(
        objective=Objective(method), rewards=[tuning.Loudness()], updates=20, group=8, rows=16,
        validate_every=20, ema_decay=0.5, learning_rate=learning_rate,
    )  # fmt: skip
    tuner.run()
    assert tuner.last.rewards["loudness"] > tuner.baseline.rewards["loudness"] + 0.5


def test_a_checkpoint_says_what_it_was_tuned_with(tuning: Any) -> None:
    tuning.tuner(objective=Objective("ddpo")).run()
    provenance = load_checkpoint(tuning.out / "run" / "checkpoint").provenance
    base = load_checkpoint(tuning.checkpoint)
    assert provenance.tuned is not None
    assert provenance.tuned.method == "ddpo"
    assert provenance.tuned.reward == "loudness=1,steadiness=0.5"
    assert (provenance.tuned.schedule, provenance.tuned.steps) == ("cosine:1.25", 3)
    assert (provenance.tuned.eta, provenance.tuned.updates) == (0.7, 6)
    assert provenance.tuned.base_sha256 == base.sha256
    assert provenance.updates == base.provenance.updates


def test_the_log_tells_rewards_ratios_and_seconds(tuning: Any) -> None:
    tuning.tuner().run()
    lines = tuning.log("train")
    assert [line["update"] for line in lines] == [1, 2, 3, 4, 5, 6]
    for name in (
        "reward", "reward_spread", "reward_spread_within", "reward/loudness", "reward/steadiness",
        "advantages_clipped", "ratio", "ratio_least", "ratio_largest", "ratio_clipped", "log_prob",
        "kl_of_update", "gradient_norm", "diffusion_of_output", "loss", "seconds/rollout",
        "seconds/learning",
    ):  # fmt: skip
        assert name in lines[0]
    assert lines[0]["seconds/loudness"] == 0.5  # as the judge says
    assert lines[0]["ratio_least"] < 1 < lines[0]["ratio_largest"]


def test_the_panel_is_asked_about_the_untuned_voice_first(tuning: Any) -> None:
    judge = tuning.Steadiness()
    tuning.tuner(rewards=[tuning.Loudness()], judges=[judge]).run()
    lines = tuning.log("validation")
    assert [line["update"] for line in lines] == [0, 3, 6]
    assert lines[0]["kl"] == 0
    assert lines[1]["kl"] > 0
    for name in ("held_out/steadiness", "reward/loudness", "diffusion", "level_db", "high_band_db"):
        assert all(name in line for line in lines)


def test_best_is_what_the_held_out_judge_likes_best(tuning: Any) -> None:
    class Fickle:
        """Likes the second measurement best."""

        name = "fickle"
        asked = 0

        def judge(self, speech: Any) -> Any:
            judged = tuning.Steadiness().judge(speech)
            Fickle.asked += 1
            scores = judged.scores + (0.01 if Fickle.asked == 2 else 0.0) * Fickle.asked
            return type(judged)(scores)

    best = tuning.tuner(judges=[Fickle()], learning_rate=1e-6).run()
    told = json.loads((tuning.out / "run" / "best.json").read_text())
    assert best == tuning.out / "run" / "best"
    assert told["update"] == 3
    assert told["figures"]["held_out/fickle"] > told["baseline"]["held_out/fickle"]
    assert load_checkpoint(best).provenance.tuned.updates == 3  # type: ignore[union-attr]


def test_the_guard_ends_a_run_that_leaves_the_ground_and_keeps_the_best(tuning: Any) -> None:
    settings = {"guard": True, "kl_limit": 1e-9, "updates": 9}
    tuner = tuning.tuner(**settings)
    best = tuner.run()
    assert tuner.update == 3  # the first time that it is looked at
    assert "the KL to the untuned voice is" in tuner.stopped
    assert load_checkpoint(best).provenance.tuned.updates == 0  # type: ignore[union-attr]

    again = tuning.tuner(**settings)
    again.run()
    assert (again.update, again.stopped) == (3, tuner.stopped)

    looser = tuning.tuner(**settings | {"kl_limit": 1e3, "judge_margin": 1e3})
    looser.run()
    assert (looser.update, looser.stopped) == (9, None)


def test_without_a_guard_limits_are_measured_and_passed(tuning: Any) -> None:
    tuner = tuning.tuner(kl_limit=1e-9)
    tuner.run()
    assert (tuner.update, tuner.stopped) == (6, None)
    assert tuner.best["update"] == 0


def test_the_control_judges_only_for_the_log(tuning: Any) -> None:
    tuning.tuner(objective=Objective("control"), log_every=3).run()
    lines = tuning.log("train")
    assert [line["update"] for line in lines] == [3, 6]
    assert "reward/loudness" in lines[0]
    assert tuning.progress()["seconds"]["loudness"] == 2 * 0.5
    assert tuning.progress()["chains_run"] == 2 * 4


def test_the_cost_is_told_at_the_end(tuning: Any) -> None:
    tuning.tuner().run()
    cost = json.loads((tuning.out / "run" / "cost.json").read_text())
    assert cost["updates"] == 6
    assert cost["rollouts_per_update"] == 4
    assert cost["seconds"]["loudness"] == 6 * 0.5
    assert cost["seconds_per_update"]["loudness"] == 0.5
    assert cost["seconds"]["validation"] > 0


def test_more_passes_are_more_steps_on_the_same_rollout(tuning: Any) -> None:
    tuning.tuner("one", updates=1, log_every=1).run()
    tuning.tuner("two", updates=1, log_every=1, passes=2).run()
    one, two = (tuning.log("train", out)[0] for out in ("one", "two"))
    assert one["reward/loudness"] == two["reward/loudness"]
    assert one["kl_of_update"] < two["kl_of_update"]


def test_memory_is_saved_without_changing_the_update(tuning: Any) -> None:
    tuning.tuner("whole", updates=1, rows=4).run()
    tuning.tuner("parts", updates=1, rows=2).run()
    whole, parts = tuning.weights("whole"), tuning.weights("parts")
    for name, value in whole.items():
        torch.testing.assert_close(value, parts[name], rtol=0, atol=2e-4)  # a tenth of a step


@pytest.mark.parametrize(
    "objective", [Objective("dlpo", guide="both"), Objective("direct"), Objective("control")]
)
def test_the_published_model_can_be_tuned(
    objective: Objective, tuning: Any, base_checkpoint: Path
) -> None:
    tuner = tuning.tuner(objective=objective, checkpoint=base_checkpoint, updates=1)
    tuner.run()
    assert tuner.last.kl > 0
    assert tuner.last.diffusion > 0  # of recordings


def test_a_second_interrupt_stops_at_once(tuning: Any) -> None:
    tuner = tuning.tuner()

    def report(update: int, figures: dict[str, float]) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tuner.run(report)
    assert signal.getsignal(signal.SIGINT) is before
