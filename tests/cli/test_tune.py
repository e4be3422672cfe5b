"""`dlpo tune` from the command line, on a voice of toy size, with judges that need no weights."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner, Result

from dlpo.checkpoint import Provenance, Tuned, load_checkpoint, save_checkpoint
from dlpo.config.fields import parts_of
from dlpo.rl.methods import METHODS
from dlpo.rl.options import TuneOptions
from dlpo.rl.tuner import Tuner
from dlpo_cli import app
from tests.toys import ToyJudge

SHORT = (
    "updates=2", "sentences=2", "group=2", "log_every=1", "longest_s=2", "save_every=1",
    "validation_sentences=1", "learning_rate=1e-3",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_slow_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out judges and word errors are tested in tests/rl/test_panel.py."""
    monkeypatch.setattr("dlpo.rl.reward_models.JUDGES", ())
    monkeypatch.setattr("dlpo.rl.reward_models.PocketSphinx", ToyJudge)


@pytest.fixture
def run(slow_checkpoint: Path, wordy_dataset: Path, tmp_path: Path) -> Callable[..., Result]:
    def run(*options: str | Path, checkpoint: Path = slow_checkpoint) -> Result:
        words = ["tune", checkpoint, "--data", wordy_dataset, "--out", tmp_path / "run"]
        words += [word for setting in SHORT for word in ("--set", setting)]
        words += ["--reward", "high_band=0.5", "--weights", tmp_path, *options]
        return CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)

    return run


@pytest.fixture
def described(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Options -> run.json of a run that is opened and ends before its first update."""

    class EndedError(Exception):
        pass

    monkeypatch.setattr(Tuner, "run", Mock(side_effect=EndedError))

    def described(*options: str | Path, **changes: Path) -> dict[str, Any]:
        with pytest.raises(EndedError):
            run(*options, **changes)
        found: dict[str, Any] = json.loads((tmp_path / "run" / "run.json").read_text())
        return found

    return described


def test_it_prints_the_best_checkpoint_and_a_table(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    result = run()
    assert result.exit_code == 0, result.stderr
    best = Path(result.stdout.strip())
    assert best == tmp_path / "run" / "best"
    assert load_checkpoint(best).provenance.tuned is not None
    for shown in ("untuned", "reward/high_band", "word_error_rate", "seconds per update: "):
        assert shown in result.stderr


def test_every_option_reaches_the_run(described: Callable[..., dict[str, Any]]) -> None:
    found = described(
        "--method", "dlpo", "--alpha", "2", "--beta", "0.5", "--guide", "return", "--steps", "10",
        "--schedule", "cosine", "--eta", "1", "--guard", "off", "--set", "clip_range=1e-4",
        "--set", "last_steps=2", "--set", "seed=7",
    )  # fmt: skip
    objective = found["objective"]
    assert (objective["alpha"], objective["beta"], objective["guide"]) == (2, 0.5, "return")
    assert (objective["clip_range"], objective["last_steps"]) == (1e-4, 2)
    assert (found["steps"], found["schedule"], found["eta"]) == (10, "cosine", 1)
    assert found["rewards"] == {"high_band": 0.5}
    assert (found["settings"]["guard"], found["settings"]["seed"]) == (False, 7)


def test_a_method_that_the_formulas_have_can_be_chosen(
    described: Callable[..., dict[str, Any]],
) -> None:
    offered, *_ = parts_of(TuneOptions)["method"]
    assert {*get_args(offered)} == {*METHODS, "dpo"}
    assert described("--method", "nft")["objective"]["method"] == "nft"


def test_chain_comes_from_checkpoint_or_embedded_voice(
    described: Callable[..., dict[str, Any]], slow_checkpoint: Path, tmp_path: Path
) -> None:
    found = described()
    assert (found["steps"], found["schedule"], found["eta"]) == (2, "cosine:1.25", 0.7)
    base = load_checkpoint(slow_checkpoint)
    tuned = Tuned("ddpo", "distillmos=1", "cosine", 4, 0.5, 10, base.sha256)
    provenance = Provenance(0, "0" * 64, "test", tuned=tuned)
    save_checkpoint(tmp_path / "tuned", base.model.state_dict(), base.config, provenance)
    (tmp_path / "run").rename(tmp_path / "before")
    found = described(checkpoint=tmp_path / "tuned")
    assert (found["steps"], found["schedule"], found["eta"]) == (4, "cosine", 0.5)


def test_an_interrupted_run_is_resumed_by_the_same_command_alone(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    one_update = Tuner._one_update

    def interrupted(tuner: Tuner) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return one_update(tuner)

    with monkeypatch.context() as patch:
        patch.setattr(Tuner, "_one_update", interrupted)
        stopped = run()
    assert stopped.exit_code == 130
    assert "stopped at update 1; run the same command to resume" in stopped.stderr
    other = run("--steps", "4")
    assert other.exit_code == 1
    assert "holds a run with steps 2; this one has 4" in other.stderr
    assert run().exit_code == 0


def test_the_guard_names_the_limit_that_was_passed(run: Callable[..., Result]) -> None:
    result = run("--set", "kl_limit=1e-12", "--set", "validate_every=1")
    assert result.exit_code == 0
    assert "the guard stopped the run at update" in result.stderr
    assert "the KL to the untuned voice is" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--reward", "charm"), 1, "charm"),
        (("--reward", "nisqa"), 1, "nisqa.tar: no such file"),
        (("--method", "direct"), 1, "high_band is not"),
        (("--method", "ppo"), 2, "ppo"),
        (("--eta", "0"), 1, "add no noise for dlpo to explore"),
        (("--schedule", "staircase"), 1, "staircase"),
        (("--set", "updtes=3"), 1, "did you mean 'updates'?"),
        (("--set", "group=1"), 1, "group is 1"),
        (("--set", "sentences"), 2, "'sentences' is not KEY=VALUE"),
        (("--method", "dpo", "--pairs", "none.jsonl"), 2, "none.jsonl"),
        (("--method", "dpo"), 1, "give --method dpo --pairs FILE"),
        (("--method", "dlpo", "--pairs", __file__), 1, "give --method dpo --pairs FILE"),
        (("--method", "dpo", "--pairs", __file__, "--set", "part=sound"), 1, "expected pitch"),
    ],
)
def test_wrong_options_are_explained(
    options: tuple[str, ...], code: int, message: str, run: Callable[..., Result]
) -> None:
    result = run(*options)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())
