"""`dlpo tune` from the command line, on a voice of toy size, with judges that need no weights."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dlpo.checkpoint import Provenance, Tuned, load_checkpoint, save_checkpoint
from dlpo.cli import app

SHORT = (
    "updates=2", "sentences=1", "group=2", "log_every=1", "longest_s=2", "save_every=1",
    "validation_sentences=1", "learning_rate=1e-3",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_slow_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out judges are tested in tests/rl/test_panel.py."""
    monkeypatch.setattr("dlpo.rl.reward_models.JUDGES", ())


@pytest.fixture
def run(slow_checkpoint: Path, wordy_dataset: Path, tmp_path: Path) -> Any:
    def run(*options: str | Path, checkpoint: Path = slow_checkpoint) -> Result:
        words = ["tune", checkpoint, "--data", wordy_dataset, "--out", tmp_path / "run"]
        words += [word for setting in SHORT for word in ("--set", setting)]
        words += ["--reward", "loudness=1,high_band=0.5", "--weights", tmp_path, *options]
        return CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)

    return run


def description(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "run" / "run.json").read_text())
    return found


def test_it_prints_the_best_checkpoint_and_a_table(run: Any, tmp_path: Path) -> None:
    result = run()
    assert result.exit_code == 0, result.stderr
    best = Path(result.stdout.strip())
    assert best == tmp_path / "run" / "best"
    assert load_checkpoint(best).provenance.tuned is not None
    assert "untuned" in result.stderr
    assert "reward/high_band" in result.stderr
    assert "word_error_rate" in result.stderr
    assert "seconds an update: " in result.stderr


def test_every_option_reaches_the_run(run: Any, tmp_path: Path) -> None:
    result = run(
        "--method", "dlpo", "--alpha", "2", "--beta", "0.5", "--guide", "both", "--steps", "2",
        "--schedule", "cosine", "--eta", "1", "--guard", "off", "--set", "clip_range=1e-4",
        "--set", "unit_spread=true", "--set", "window_batch=2", "--set", "seed=7",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    told = description(tmp_path)
    objective = told["objective"]
    assert (objective["alpha"], objective["beta"], objective["guide"]) == (2, 0.5, "both")
    assert (objective["clip_range"], objective["unit_spread"]) == (1e-4, True)
    assert (told["steps"], told["schedule"], told["eta"]) == (2, "cosine", 1)
    assert told["rewards"] == {"loudness": 1, "high_band": 0.5}
    assert (told["settings"]["guard"], told["settings"]["seed"]) == (False, 7)


def test_the_chain_is_that_of_the_embedded_voice(run: Any, tmp_path: Path) -> None:
    run("--set", "updates=1")
    told = description(tmp_path)
    assert (told["steps"], told["schedule"], told["eta"]) == (3, "cosine:1.25", 0.7)


def test_a_tuned_checkpoint_goes_on_with_its_own_chain(
    run: Any, slow_checkpoint: Path, tmp_path: Path
) -> None:
    base = load_checkpoint(slow_checkpoint)
    tuned = Tuned("ddpo", "distillmos=1", "cosine", 4, 0.5, 10, base.sha256)
    provenance = Provenance(0, "0" * 64, "test", tuned=tuned)
    save_checkpoint(tmp_path / "tuned", base.model.state_dict(), base.config, provenance)
    run("--set", "updates=1", checkpoint=tmp_path / "tuned")
    told = description(tmp_path)
    assert (told["steps"], told["schedule"], told["eta"]) == (4, "cosine", 0.5)


def test_interrupted_it_says_how_to_go_on_and_does(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlpo.rl.tuner import Tuner

    one_update = Tuner._one_update

    def interrupted(tuner: Tuner) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return one_update(tuner)

    with monkeypatch.context() as patch:
        patch.setattr(Tuner, "_one_update", interrupted)
        stopped = run()
    assert stopped.exit_code == 130
    assert "stopped at update 1; run the same command to go on" in stopped.stderr
    assert run().exit_code == 0


def test_the_guard_says_which_limit_was_passed(run: Any) -> None:
    result = run("--set", "kl_limit=1e-12", "--set", "validate_every=1")
    assert result.exit_code == 0
    assert "the guard ended the run at update 1: the KL to the untuned voice is" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--reward", "charm"), 1, "reward 'charm' is unknown"),
        (("--reward", "loudness=loud"), 1, "expected a number"),
        (("--reward", "loudness=0"), 1, "are unusable"),
        (("--reward", "nisqa"), 1, "nisqa.tar: no such file"),
        (("--reward", "utmos"), 1, "reward utmos needs the path of its weights"),
        (("--method", "direct"), 1, "high_band, loudness is not"),
        (("--method", "ppo"), 2, "'ppo' is not one of"),
        (("--eta", "0"), 1, "no step with noise to learn from"),
        (("--schedule", "staircase"), 1, "noise schedule 'staircase' is unknown"),
        (("--set", "updtes=3"), 1, "did you mean 'updates'?"),
        (("--set", "kl_wieght=3"), 1, "did you mean 'kl_weight'?"),
        (("--set", "group=1"), 1, "compares the seeds of a sentence, and group is 1"),
        (("--set", "sentences"), 2, "'sentences' is not KEY=VALUE"),
        (("--set", "longest_s=0.1"), 1, "can be a prompt"),
    ],
)
def test_bad_input_is_explained(
    options: tuple[str, ...], code: int, message: str, run: Any
) -> None:
    result = run(*options)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())


def test_another_run_in_the_same_place_is_left_alone(run: Any, tmp_path: Path) -> None:
    run("--set", "updates=1")
    result = run("--steps", "4")
    assert result.exit_code == 1
    assert "holds a run with steps 3; this one has 4" in result.stderr
    assert description(tmp_path)["steps"] == 3


def test_a_directory_that_is_no_checkpoint_is_refused(run: Any, tmp_path: Path) -> None:
    result = run(checkpoint=tmp_path)
    assert result.exit_code == 1
    assert "not a checkpoint" in result.stderr
