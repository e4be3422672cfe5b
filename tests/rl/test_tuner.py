"""The tuner learns by every method, resumes to the bit, and logs, validates and guards its run."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dlpo.checkpoint import Tuned, load_checkpoint
from dlpo.config.tuning import TuningConfig
from dlpo.errors import ConfigError, DataError, TrainingError
from dlpo.rl.core.objective import MethodName, Objective
from dlpo.rl.methods import METHODS
from dlpo.rl.plan import Plan
from dlpo.rl.prompts import validation_prompts
from dlpo.rl.recorded_windows import recorded_windows
from dlpo.rl.tuner import Tuner
from dlpo.training.acoustics import FrozenAcoustics
from dlpo.training.batches import Batches
from tests.rl.conftest import Tuning
from tests.toys import SPECTRAL, save_toy

RESUMED = {
    "dlpo": (Objective("dlpo"), {"passes": 2, "updates": 4}),
    "dlpo, augmented": (Objective("dlpo"), {"augment": True}),
    "control": (Objective("control"), {"passes": 2}),
    "direct": (Objective("direct", guide="recordings", last_steps=2), {}),
}


def stop_at(tuner: Tuner, update: int) -> None:
    def report(reached: int, figures: dict[str, float]) -> None:
        if reached == update:
            os.kill(os.getpid(), signal.SIGTERM)

    tuner.run(report)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind == "dlpo" else pytest.mark.full) for kind in RESUMED],
)
def test_a_resumed_run_equals_one_that_never_stopped(kind: str, tuning: Tuning) -> None:
    objective, settings = RESUMED[kind]
    tuning.tuner("whole", objective, **settings).run()
    halted = tuning.tuner("parts", objective, **settings)
    stop_at(halted, 2)
    assert (halted.update, halted.stop_signal) == (2, signal.SIGTERM)
    tuning.tuner("parts", objective, **settings).run()
    whole, parts = tuning.weights("whole"), tuning.weights("parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    before, after = tuning.progress("whole"), tuning.progress("parts")
    for key in ("update", "moments", "best", "baseline", "last"):
        assert before[key] == after[key]
    for file in ("checkpoint", "best"):
        a, b = (load_checkpoint(tuning.out / run / file).sha256 for run in ("whole", "parts"))
        assert a == b


@pytest.mark.parametrize("method", METHODS)
def test_every_method_moves_the_denoiser_and_nothing_else(
    method: MethodName, tuning: Tuning
) -> None:
    tuning.tuner(objective=Objective(method), updates=1).run()
    start = load_checkpoint(tuning.checkpoint).model.state_dict()
    tuned = load_checkpoint(tuning.out / "run" / "checkpoint").model.state_dict()
    # In half precision, as a checkpoint keeps them.
    moved = {name for name, was in start.items() if not torch.equal(was.half(), tuned[name].half())}
    assert "spectrum_out.weight" in moved
    assert all(name.startswith(("level", "spectrum")) for name in moved)


@pytest.mark.parametrize("method", ["direct", "control"])
def test_adapters_learn_without_changing_other_voices(
    method: MethodName, tuning: Tuning, tmp_path: Path
) -> None:
    def change(weights: dict[str, Any], others: int = 1) -> None:
        weights["gates.weight"][0, :2] = weights["gates.weight"][1, others:] = 1.0

    config = replace(SPECTRAL, voices=("lj", "bob"), adapter_channels=4)
    start = save_toy(tmp_path / "start", config, seed=0, change=change)
    settings = {"checkpoint": start, "updates": 1, "part": "adapters", "weight_decay": 0.5}
    tuning.tuner(objective=Objective(method), **settings).run()
    before = load_file(start / "model.safetensors")
    after = load_file(tuning.out / "run/checkpoint/model.safetensors")
    moved = {name for name, was in before.items() if not torch.equal(was.half(), after[name])}
    assert moved >= {f"adapters.{part}.0.widen.weight" for part in ("encoder", "mel")}
    for name in moved:
        assert name.startswith("adapters")
        was, now = (x[name].T if "widen" in name else x[name] for x in (before, after))
        assert torch.equal(was[1:].half(), now[1:])  # bob's
    shared = save_toy(tmp_path / "shared", config, seed=0, change=partial(change, others=0))
    for refused, other in {
        "of lj are also those of bob; add their data": {"checkpoint": shared},
        "the checkpoint has none": {"checkpoint": tuning.checkpoint},
        "passes is 2; expected 1": {"passes": 2},
    }.items():
        with pytest.raises(ConfigError, match=refused):
            tuning.tuner("refused", **settings | other)


@pytest.mark.parametrize("objective", [Objective("direct"), Objective("control")])
def test_sound_learns_its_mel_and_keeps_its_timing(objective: Objective, tuning: Tuning) -> None:
    tuning.tuner(objective=objective, steps=1, updates=1, part="sound").run()
    before = load_file(tuning.checkpoint / "model.safetensors")
    after = load_file(tuning.out / "run/checkpoint/model.safetensors")
    moved = {name for name, was in before.items() if not torch.equal(was.half(), after[name])}
    assert moved >= {"mel_out.weight", "prosody_in.weight", "spectrum_out.weight"}
    kept = ("embedding", "encoder", "timing", "duration", "prosody_blocks", "prosody_out", "voices")
    assert not any(name.startswith((*kept, "contour", "pitch_")) for name in moved)
    with pytest.raises(TrainingError, match="holds a run with part"):
        tuning.tuner(objective=objective, steps=1, updates=2)


def test_a_tuned_checkpoint_keeps_what_tuned_it_before(tuning: Tuning) -> None:
    tuning.tuner("first", Objective("rwr"), updates=1).run()
    first = tuning.out / "first" / "checkpoint"
    tuning.tuner("second", Objective("dlpo"), updates=1, checkpoint=first).run()
    provenance = load_checkpoint(tuning.out / "second" / "checkpoint").provenance
    assert provenance.tuned is not None
    assert [one.method for one in (*provenance.tuned_before, provenance.tuned)] == ["rwr", "dlpo"]


def test_one_step_chain_learns_by_the_direct_gradient(
    tuning: Tuning,
) -> None:
    tuning.tuner(objective=Objective("direct", guide="recordings"), steps=1, updates=1).run()
    assert tuning.log("validation")[-1]["kl"] == 0.0
    with pytest.raises(ConfigError, match="add no noise for ddpo to explore"):
        tuning.tuner("other", Objective("ddpo"), steps=1)


@pytest.mark.full
@pytest.mark.parametrize(("method", "learning_rate"), [("dlpo", 3e-3), ("direct", 3e-4)])
def test_tuning_raises_reward_on_unseen_sentences(
    method: MethodName, learning_rate: float, tuning: Tuning
) -> None:
    tuner = tuning.tuner(
        objective=Objective(method), rewards=[tuning.Loudness()], updates=20, group=8, rows=16,
        validate_every=20, ema_decay=0.5, learning_rate=learning_rate,
    )  # fmt: skip
    tuner.run()
    assert tuner.last.rewards["loudness"] > tuner.baseline.rewards["loudness"] + 0.5


@pytest.fixture(scope="module")
def finished(slow_checkpoint: Path, wordy_dataset: Path, tmp_path_factory: Any) -> Tuning:
    """A run of six updates, validated by a held-out judge after every third."""
    tuning = Tuning(slow_checkpoint, wordy_dataset, tmp_path_factory.mktemp("finished"))
    rewards, judges = [tuning.Loudness()], [tuning.Steadiness()]
    tuning.tuner(objective=Objective("ddpo"), rewards=rewards, judges=judges).run()
    return tuning


def test_a_checkpoint_names_method_reward_chain_and_base(finished: Tuning) -> None:
    provenance = load_checkpoint(finished.out / "run" / "checkpoint").provenance
    base = load_checkpoint(finished.checkpoint)
    assert provenance.tuned == Tuned("ddpo", "loudness=1", "cosine:1.25", 3, 0.7, 6, base.sha256)
    assert provenance.updates == base.provenance.updates


def test_the_log_has_rewards_ratios_and_seconds_of_every_update(finished: Tuning) -> None:
    lines = finished.log("train")
    assert [line["update"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[0].keys() >= {
        "reward", "reward_spread", "reward_spread_within", "reward/loudness",
        "ratio_clipped", "log_prob", "kl_of_update", "gradient_norm", "diffusion_of_output", "loss",
        "seconds/rollout", "seconds/learning", "seconds/loudness",
    }  # fmt: skip
    assert lines[0]["ratio_least"] < 1 < lines[0]["ratio_largest"]


def test_validation_starts_with_the_untuned_voice(finished: Tuning) -> None:
    lines = finished.log("validation")
    assert [line["update"] for line in lines] == [0, 3, 6]
    assert lines[0]["kl"] == 0 < lines[1]["kl"]
    for name in ("held_out/steadiness", "reward/loudness", "diffusion", "level_db", "high_band_db"):
        assert all(name in line for line in lines)


def test_best_is_what_the_held_out_judge_likes_best(tuning: Tuning) -> None:
    class Fickle:
        """Likes the second measurement best."""

        name = "fickle"
        asked = 0

        def judge(self, speech: Any) -> Any:
            Fickle.asked += 1
            liked = 0.01 if Fickle.asked == 2 else 0.0
            return tuning.Steadiness().judge(speech) + liked * Fickle.asked

    best = tuning.tuner(judges=[Fickle()], learning_rate=1e-6).run()
    message = json.loads((tuning.out / "run" / "best.json").read_text())
    assert best == tuning.out / "run" / "best"
    assert message["update"] == 3
    assert message["figures"]["held_out/fickle"] > message["baseline"]["held_out/fickle"]
    assert load_checkpoint(best).provenance.tuned.updates == 3  # type: ignore[union-attr]


def test_guard_stops_a_divergent_run_and_keeps_the_best(tuning: Tuning) -> None:
    settings = {"guard": True, "kl_limit": 1e-9}
    tuner = tuning.tuner(**settings)
    best = tuner.run()
    assert tuner.update == 3  # the first time that it is looked at
    assert "the KL to the untuned voice is" in tuner.stopped
    assert load_checkpoint(best).provenance.tuned.updates == 0  # type: ignore[union-attr]

    again = tuning.tuner(**settings)
    again.run()
    assert (again.update, again.stopped) == (3, tuner.stopped)


def test_recordings_are_conditioned_on_their_own_voice(tuning: Tuning, tmp_path: Path) -> None:
    def change(weights: dict[str, Any]) -> None:
        weights["voices.weight"] *= 10

    start = save_toy(tmp_path / "spectral", SPECTRAL, seed=0, change=change)
    model = load_checkpoint(start).model
    source = tuning.tuner(objective=Objective("control"), checkpoint=start).method.setup.recordings
    recorded = source.draw(0).windows
    batches = Batches(source.batches.dataset, "train", 0, 0, SPECTRAL)
    windows = batches.windows(0, 2, 12)
    expected = recorded_windows(model.eval(), windows, FrozenAcoustics(model, batches).of(windows))
    torch.testing.assert_close(recorded.conditions.inputs[0], expected.conditions.inputs[0])


def test_the_control_judges_only_for_the_log(tuning: Tuning) -> None:
    tuning.tuner(objective=Objective("control"), log_every=3).run()
    lines = tuning.log("train")
    assert [line["update"] for line in lines] == [3, 6]
    assert "reward/loudness" in lines[0]
    assert tuning.progress()["chains_run"] == 2 * 4


@pytest.mark.parametrize(
    "objective",
    [
        Objective("dlpo"),
        pytest.param(Objective("direct"), marks=pytest.mark.full),
        pytest.param(Objective("control"), marks=pytest.mark.full),
    ],
)
def test_the_published_model_can_be_tuned(
    objective: Objective, tuning: Tuning, base_checkpoint: Path
) -> None:
    tuner = tuning.tuner(objective=objective, checkpoint=base_checkpoint, updates=1)
    tuner.run()
    assert tuner.last.kl > 0
    assert tuner.last.diffusion > 0  # of recordings


def test_a_second_interrupt_stops_at_once(tuning: Tuning) -> None:
    tuner = tuning.tuner()

    def report(update: int, figures: dict[str, float]) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tuner.run(report)
    assert signal.getsignal(signal.SIGINT) is before


def test_prompts_are_in_the_language_that_the_reward_hears(
    tuning: Tuning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plan, "language", "es-419")
    with pytest.raises(DataError, match="validation split has no sentence"):
        tuning.tuner()
    monkeypatch.setattr(
        "dlpo.rl.tuner.validation_prompts", lambda *given: validation_prompts(*given[:-1])
    )
    with pytest.raises(DataError, match="sentences can be a prompt"):
        tuning.tuner("again")


def test_the_learning_rate_falls_only_if_asked_to() -> None:
    constant = TuningConfig(updates=100, learning_rate=1.0, warm_up=2)
    assert [constant.rate(k) for k in (0, 1, 50, 99, 100)] == [0.5, 1, 1, 1, 1]
    falling = TuningConfig(updates=100, learning_rate=1.0, warm_up=2, decay_from=0.5)
    assert [falling.rate(k) for k in (1, 49, 75, 99)] == pytest.approx([1, 1, 0.5, 0.03])
    with pytest.raises(ConfigError, match="decay_from"):
        TuningConfig(decay_from=1.5)
