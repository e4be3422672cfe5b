"""The pitch flow as a policy: its contours are the voice's own, and rewards move them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dlpo.checkpoint import load_checkpoint
from dlpo.config.tuning import EndingsTuning
from dlpo.data.dataset import Corpora
from dlpo.errors import ConfigError, DataError, TrainingError
from dlpo.model.acoustics import LOG_F0_CENTRE, LOG_F0_SCALE
from dlpo.rl.core.objective import Objective
from dlpo.rl.ending_prompts import EndingPrompts, read_ending_prompts
from dlpo.rl.endings import RISING
from dlpo.rl.endings_tuner import EndingsTuner, endings_objective
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.rl.prompts import Prompt
from tests.toys import BASE, save_contour_toy, save_toy

TEXTS = [
    text.format(noun)
    for text in (
        "Is the {} still open this late in the evening?",
        "You sold the old {} to them already?",
        "Where did you put the {} that we bought?",
        "The {} leaves at a quarter to eight.",
    )
    for noun in ("bank", "car", "lamp", "bus")
]
SETTINGS = EndingsTuning(
    updates=4, sentences=4, draws=6, learned=4, times=2, recorded=2, log_every=1, validate_every=2,
    save_every=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "texts.csv"
    # ids by which each kind has texts that are held out
    lines = [f"C{copy}{i:02}|{text}" for copy in range(6) for i, text in enumerate(TEXTS)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_contour_toy(tmp_path_factory.mktemp("voice"))


def tuned(
    voice: Path, data: Path, texts: Path, out: Path, objective: Objective, **changes: object
) -> EndingsTuner:
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    prompts = read_ending_prompts([str(texts)])
    tuner = EndingsTuner(voice, Corpora([data]), prompts, out, objective, settings)
    tuner.run()
    return tuner


def test_contours_are_those_that_the_voice_speaks(voice: Path) -> None:
    model = load_checkpoint(voice).model
    symbols = np.array([1, 30, 40, 2, 50, 60, 9], np.int64)
    policy = PitchFlow(model)
    prompt = Prompt(4, "", symbols)
    drawn = policy.draw([prompt], (0, 1), 3).samples[0]
    noise = policy.noise(policy.conditions([prompt]), [(0, 1, 4)], 3)
    named = model.named_voice(None)
    mask = torch.ones(1, len(symbols), dtype=torch.bool)
    centre, spread, _ = policy.model.pitch_voice(named)[1][0]
    for n, contour in zip(noise[0], drawn, strict=True):
        hidden, _, _ = model.encode(torch.from_numpy(symbols)[None], mask, n[None], named)
        spoken = hidden[0, -2:] / LOG_F0_SCALE + LOG_F0_CENTRE
        torch.testing.assert_close(centre + spread * contour, spoken, atol=1e-5, rtol=0)


def test_matching_losses_are_those_of_the_flow(voice: Path) -> None:
    """Against a loop over draws, contours and points."""
    policy = PitchFlow(load_checkpoint(voice).model)
    prompts = [Prompt(i, "", np.array([1, *range(20, 26 + 3 * i), 7], np.int64)) for i in range(2)]
    drawn = policy.draw(prompts, (5, 6), 3)
    credit = torch.rand(drawn.conditions.weights.shape)
    drawn = replace(drawn, credit=credit)
    with torch.no_grad():
        errors = policy.matching_losses(drawn, 4)
        again = policy.matching_losses(drawn.chosen(torch.tensor([[2, 0]] * 2)), 4)
    torch.testing.assert_close(again, errors.view(4, 2, 3)[:, :, [2, 0]].flatten(1))
    for b, (prompt, sentence) in enumerate(zip(prompts, drawn.conditions.sentences, strict=True)):
        size = len(prompt.symbols)
        noises = policy.noise(policy.conditions([prompt]), [(5, 6, b, 14)], 4)[0]
        uniform = np.random.default_rng((5, 6, b, 14, 1)).random(4)
        for k in range(4):
            t = float((np.float32(uniform[k]) + k) / 4)
            for g in range(3):
                clean, noise = drawn.samples[b, g, :, :size], noises[k]
                mask = torch.ones(1, size, dtype=torch.bool)
                with torch.no_grad():
                    noisy = ((1 - t) * noise + t * clean)[None]
                    v = policy.flow(noisy, torch.tensor([t]), sentence.hidden, mask)[0]
                weight = (drawn.conditions.weights * credit)[b, :, :size]
                expected = (weight * (v - (clean - noise)) ** 2).sum() / weight.sum()
                assert errors[k, 3 * b + g].item() == pytest.approx(expected.item(), rel=1e-3)


def test_a_voice_without_a_flow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dlpo train contour"):
        PitchFlow(load_checkpoint(save_toy(tmp_path, BASE, 0)).model)


def test_only_the_flow_learns(voice: Path, tiny_dataset: Path, texts: Path, tmp_path: Path) -> None:
    tuned(voice, tiny_dataset, texts, tmp_path, endings_objective(alpha=1.0, matching_kl=0.1))
    before, after = load_checkpoint(voice), load_checkpoint(tmp_path / "checkpoint")
    changed = {
        name
        for name, value in after.model.state_dict().items()
        if not torch.allclose(value, before.model.state_dict()[name], atol=2e-3)
        or (name.startswith("contour.flow") and not torch.equal(
            value.half(), before.model.state_dict()[name].half()))
    }  # fmt: skip
    assert changed
    assert all(name.startswith("contour.flow.") for name in changed)
    assert after.provenance.tuned is not None
    assert (after.provenance.tuned.method, after.provenance.tuned.reward) == ("dlpo", "endings")
    assert before.provenance.corpus == "LJSpeech-1.1 (public domain), 37 minutes"
    assert after.provenance.corpus == "LJSpeech-1.1 (public domain), 37 + 0 minutes"


def test_a_resumed_run_is_the_same_to_the_bit(
    voice: Path, tiny_dataset: Path, texts: Path, tmp_path: Path
) -> None:
    whole = tuned(voice, tiny_dataset, texts, tmp_path / "whole", endings_objective())
    tuned(voice, tiny_dataset, texts, tmp_path / "parts", endings_objective(), updates=2)
    parts = tuned(voice, tiny_dataset, texts, tmp_path / "parts", endings_objective())
    for ours, theirs in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_contours_of_a_loss_that_overflows_are_kept(
    voice: Path, tiny_dataset: Path, texts: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="not finite"):
        tuned(voice, tiny_dataset, texts, tmp_path, endings_objective(alpha=3e38, beta=3e38))
    kept = load_file(tmp_path / "bad_batch.safetensors")
    assert kept["samples"].shape[:2] == (SETTINGS.sentences, SETTINGS.learned)
    assert len(kept["hidden"]) == SETTINGS.sentences


@pytest.mark.full
@pytest.mark.parametrize("method", ["dlpo", "direct"])
def test_questions_come_to_rise(
    method: str, voice: Path, tiny_dataset: Path, texts: Path, tmp_path: Path
) -> None:
    objective = endings_objective(method, beta=0.0, kl_outside=0.0)
    changes = {"updates": 60, "learning_rate": 3e-3, "draws": 16, "learned": 8}
    tuner = tuned(voice, tiny_dataset, texts, tmp_path, objective, **changes)
    figures = tuner.figures.measure(tuner.averaged_flow())
    start = tuner.figures.of_draws(tuner.figures.before)
    assert figures["movement/lj/yes_no"] > start["movement/lj/yes_no"] + 1.5
    assert figures["movement/lj/statement"] < start["movement/lj/statement"] + 0.5


def test_the_control_has_no_reward_in_its_loss(
    voice: Path, tiny_dataset: Path, texts: Path, tmp_path: Path
) -> None:
    tuner = tuned(
        voice,
        tiny_dataset,
        texts,
        tmp_path,
        endings_objective("control", beta=1.0, kl_outside=0.0),
        updates=1,
    )
    assert set(tuner.method.joined_terms) == {"diffusion"}


def test_short_statements_are_also_asked(texts: Path) -> None:
    prompts = read_ending_prompts([str(texts)])
    asked = [p for p in prompts if p.prompt.text == "The bus leaves at a quarter to eight?"]
    said = [p for p in prompts if p.prompt.text == "The bus leaves at a quarter to eight."]
    assert {p.kind for p in asked} == {"declarative"}
    assert {p.kind for p in said} == {"statement"}
    for question, statement in zip(asked, said, strict=True):
        assert (question.prompt.symbols != statement.prompt.symbols).nonzero()[0].tolist() == [
            len(said[0].prompt.symbols) - 1
        ]
    drawn = EndingPrompts(prompts, ["lj"], 0).draw(3, 40, {"lj": 1.0})
    assert 10 < sum(prompt.kind in ("yes_no", "declarative") for prompt in drawn) < 30
    assert not any(prompt.held_out for prompt in drawn)


def test_a_voice_that_lags_is_asked_more(texts: Path) -> None:
    behind = {"a": 3.0, "b": 1.0}
    prompts = EndingPrompts(read_ending_prompts([str(texts)]), list(behind), 0)
    drawn = [prompt for update in range(40) for prompt in prompts.draw(update, 20, behind)]
    of_a = {
        rises: np.mean([p.prompt.voice == "a" for p in drawn if (p.kind in RISING) == rises])
        for rises in (True, False)
    }
    assert of_a[True] == pytest.approx(0.75, abs=0.08)
    assert of_a[False] == pytest.approx(0.5, abs=0.08)


def test_only_voices_with_recordings_are_asked(
    tiny_dataset: Path, texts: Path, tmp_path: Path
) -> None:
    voice = save_contour_toy(tmp_path / "voice", voices=("ann", "lj", "lj/LJ001"))
    tuner = tuned(voice, tiny_dataset, texts, tmp_path / "run", endings_objective())
    assert list(tuner.collector.lags_st) == ["lj"]


def test_voices_are_asked_in_their_language(texts: Path, tmp_path: Path) -> None:
    path = tmp_path / "es.csv"
    lines = [f"ES{n}|¿Vienes el {n} de mayo?\nET{n}|Llego mañana a las {n}." for n in range(1, 13)]
    path.write_text("\n".join(lines), encoding="utf-8")
    prompts = read_ending_prompts([str(texts), f"{path}=es"])
    assert len({prompt.prompt.number for prompt in prompts}) == len(prompts)
    languages = {"dora": "es-419", "sabine": "de-DE"}
    voices = ["lj", "dora", "sabine"]
    asked = EndingPrompts(prompts, voices, 0, languages)
    drawn = asked.draw(0, 60, dict.fromkeys(voices, 1.0))
    spoken = {(prompt.prompt.voice, prompt.language) for prompt in drawn}
    assert spoken == {("lj", "en-US"), ("dora", "es-419")}
    held_out = {prompt.language for prompt in asked.validation(2)}
    assert held_out <= {"en-US", "es-419"}


def test_texts_without_questions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("A1|Where did she go?\n", encoding="utf-8")
    with pytest.raises(DataError, match="expected questions and"):
        EndingPrompts(read_ending_prompts([str(path)]), ["lj"], 0)
    path.write_text("no separator\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 1: got 'no separator'"):
        read_ending_prompts([str(path)])
