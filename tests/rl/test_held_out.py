"""The panel: who is held out, what is measured, and that it is always measured alike."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlpo.data.dataset import Dataset
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.conditions import conditions_of, reach_of
from dlpo.rl.costs import Costs
from dlpo.rl.held_out import KEY, HeldOut, held_out_judges, validation_prompts
from dlpo.rl.rewards.named import RewardSources
from dlpo.rl.rollout import mean_of_step, roll_out, seed_keys


class Parrot:
    """Hears one word less than was said."""

    name = "parrot"

    def transcribe(self, waveforms: Any, sample_rate_hz: int) -> list[str]:
        return ["hum"] * len(waveforms)


@pytest.fixture
def dataset(wordy_dataset: Path) -> Dataset:
    return Dataset(wordy_dataset)


@pytest.fixture
def panel(
    voice: LiteWaveGrad2, dataset: Dataset, served_chain: NoiseSchedule, tuning: Any
) -> HeldOut:
    prompts = validation_prompts(dataset, 4)
    return HeldOut(
        voice, prompts, served_chain, [tuning.Loudness()], [tuning.Steadiness()], Parrot(), None,
        Costs(), 2, reach_of(voice, prompts[0]),
    )  # fmt: skip


def moved(voice: LiteWaveGrad2) -> LiteWaveGrad2:
    from copy import deepcopy

    other = deepcopy(voice)
    with torch.no_grad():
        other.patch_out.weight += 0.01
    return other


def test_the_untuned_voice_has_no_distance_from_itself_and_measures_repeat(
    panel: HeldOut, voice: LiteWaveGrad2
) -> None:
    once, twice = panel.measure(voice), panel.measure(voice)
    assert once.panel.kl == 0
    assert once.panel == twice.panel
    assert np.array_equal(once.sample, twice.sample)


def test_kl_is_that_of_two_gaussians_in_the_states_that_the_policy_reached(
    panel: HeldOut, voice: LiteWaveGrad2, served_chain: NoiseSchedule
) -> None:
    policy = moved(voice)
    conditions = conditions_of(voice, panel.prompts, panel.reach)
    keys = seed_keys(*KEY, [prompt.number for prompt in panel.prompts], 1)
    rollout = roll_out(policy, conditions, served_chain, keys, 1)
    end = int(conditions.frames[0]) * 300
    divergences = []
    for k in rollout.scored:
        std = float(served_chain.posterior_std[k])
        with torch.no_grad():
            ours, theirs = (
                mean_of_step(m, conditions, rollout.states[k], served_chain, k)[0, :end]
                for m in (policy, voice)
            )
        p, q = (torch.distributions.Normal(mean, std) for mean in (ours, theirs))
        divergences.append(torch.distributions.kl_divergence(p, q).mean().item())
    assert panel.measure(policy).panel.kl == pytest.approx(np.mean(divergences), rel=1e-4)


def test_word_errors_are_pooled_and_scores_named(panel: HeldOut, voice: LiteWaveGrad2) -> None:
    found = panel.measure(voice).panel
    assert found.word_error_rate == 0.5  # "Hum, hum."
    assert set(found.held_out) == {"steadiness"}
    assert set(found.rewards) == {"loudness"}
    assert set(found.spreads) == {"steadiness", "loudness"}


def test_the_cost_of_each_judge_is_told(panel: HeldOut, voice: LiteWaveGrad2) -> None:
    panel.measure(voice)
    assert set(panel.costs.seconds) == {
        "validation", "validation/steadiness", "validation/loudness", "validation/words",
    }  # fmt: skip


def test_no_judge_is_both_reward_and_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from dlpo.rl.rewards.named import REWARDS

    for name in ("distillmos", "nisqa"):
        monkeypatch.setitem(REWARDS, name, lambda sources, name=name: name)
    sources = RewardSources(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert held_out_judges(["distillmos", "words"], sources) == ["nisqa"]
    assert "nisqa_tts.tar: no such file" in caplog.text  # said, not skipped silently
    assert "dnsmos_model_v8.onnx" in caplog.text
    assert held_out_judges(["nisqa"], sources) == ["distillmos"]


def test_validation_sentences_come_from_their_split(dataset: Dataset) -> None:
    numbers = [prompt.number for prompt in validation_prompts(dataset, 10)]
    assert [dataset.entries[i].split for i in numbers] == ["validation"]
