"""The validation panel: its figures, its held-out judges, the guard's limits, the best update."""

from __future__ import annotations

import logging
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dlpo.config.tuning import TuningConfig
from dlpo.data.dataset import Corpora
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import NoiseSchedule
from dlpo.rl.collector import VALIDATION_KEY
from dlpo.rl.core.chain import ChainPolicy
from dlpo.rl.core.conditions import seed_keys
from dlpo.rl.options import RewardSources
from dlpo.rl.panel import PanelFigures, ValidationPanel, divergence, gain
from dlpo.rl.prompts import validation_prompts
from dlpo.rl.reward_models import REWARDS, RewardModels, held_out_judges
from dlpo.rl.rewards import WeightedSum
from dlpo.rl.spoken_chain import SpokenChain, conditions_of, reach_of
from dlpo.rl.timer import StageTimer
from tests.rl.conftest import Tuning
from tests.toys import ToyJudge

BASE = PanelFigures(
    held_out={"NISQA": 3.5, "DNSMOS": 3.7},
    spreads={"NISQA": 0.5, "DNSMOS": 0.1, "DistillMOS": 0.4, "loudness": 0.0},
    rewards={"DistillMOS": 3.2, "loudness": 0.0},
    word_error_rate=0.20,
    kl=0.0,
    diffusion=0.13,
    level_db=-23.0,
    high_band_db=-12.0,
)
LIMITS = TuningConfig(kl_limit=0.01, judge_margin=0.1, words_margin=0.02)


@pytest.fixture
def panel(
    voice: SpectralWaveGrad2, dataset: Corpora, served_chain: NoiseSchedule, tuning: Tuning
) -> ValidationPanel:
    prompts = validation_prompts(dataset, 4)
    reward = WeightedSum([tuning.Loudness()], {"loudness": 1.0})
    models = RewardModels(reward, [tuning.Steadiness()], ToyJudge(words=lambda waveform: "hum"))
    reference = SpokenChain(voice, served_chain, reach_of(voice, prompts[0]))
    return ValidationPanel(reference, prompts, models, None, StageTimer(), 2)


def test_kl_is_that_of_gaussians_in_visited_states(
    panel: ValidationPanel, voice: SpectralWaveGrad2, served_chain: NoiseSchedule
) -> None:
    policy = deepcopy(voice)
    with torch.no_grad():
        policy.spectrum_out.weight += 0.01
    conditions = conditions_of(voice, panel.prompts, panel.reference.reach)
    keys = seed_keys(*VALIDATION_KEY, [prompt.number for prompt in panel.prompts], 1)
    rollout = ChainPolicy(policy, served_chain).roll_out(conditions, keys, 1)
    end = int(conditions.samples[0])
    divergences = []
    for k in rollout.scored:
        std = float(served_chain.posterior_std[k])
        with torch.no_grad():
            ours, theirs = (
                ChainPolicy(m, served_chain).step_mean(conditions, rollout.states[k], k)[0, :end]
                for m in (policy, voice)
            )
        p, q = (torch.distributions.Normal(mean, std) for mean in (ours, theirs))
        divergences.append(torch.distributions.kl_divergence(p, q).mean().item())
    assert panel.measure(policy)[0].kl == pytest.approx(np.mean(divergences), rel=1e-4)


def test_word_errors_are_pooled_and_scores_named(
    panel: ValidationPanel, voice: SpectralWaveGrad2
) -> None:
    found = panel.measure(voice)[0]
    assert found.word_error_rate == 0.5  # one word of "Hum, hum."
    assert set(found.held_out) == {"steadiness"}
    assert set(found.rewards) == {"loudness"}
    assert set(found.spreads) == {"steadiness", "loudness"}


def test_no_judge_is_both_reward_and_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("distillmos", "nisqa", "dnsmos"):
        monkeypatch.setitem(REWARDS, name, lambda sources, name=name: name)
    sources = RewardSources(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert held_out_judges(["distillmos", "words"], sources) == ["nisqa", "dnsmos"]
    assert "nisqa_tts.tar: no such file" in caplog.text  # said, not skipped silently
    assert held_out_judges(["nisqa", "dnsmos"], sources) == ["distillmos"]


def judged(nisqa: float, dnsmos: float) -> PanelFigures:
    return replace(BASE, held_out={"NISQA": nisqa, "DNSMOS": dnsmos})


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (replace(BASE, kl=0.01), None),
        (replace(BASE, kl=0.02), "the KL to the untuned voice is 0.0200, limit 0.01"),
        (judged(3.41, 3.7), None),
        (judged(3.3, 3.9), "held-out NISQA fell by 0.200 to 3.300, margin 0.1"),
        (replace(BASE, word_error_rate=0.21), None),
        (replace(BASE, word_error_rate=0.25), "word errors rose by 0.050 to 0.250, margin 0.02"),
        (replace(BASE, word_error_rate=None), None),
        (replace(BASE, rewards={"DistillMOS": 1.0, "loudness": -9.0}), None),
        (replace(BASE, kl=float("nan")), "the KL to the untuned voice is nan, limit 0.01"),
    ],
)
def test_a_limit_is_named_with_its_excess(now: PanelFigures, said: str | None) -> None:
    assert divergence(BASE, now, LIMITS) == said


def test_gain_counts_each_judge_in_its_own_spread() -> None:
    assert gain(BASE, BASE) == 0
    assert gain(BASE, judged(3.6, 3.72)) == pytest.approx((0.1 / 0.5 + 0.02 / 0.1) / 2)
    assert gain(BASE, judged(4.0, 3.6)) == pytest.approx(0.0)
