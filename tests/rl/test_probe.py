"""The probe of a reward: what it prefers, and whether its choice is heard by others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dlpo.checkpoint import load_checkpoint
from dlpo.data.dataset import Corpora
from dlpo.errors import DataError
from dlpo.noise_schedule import named_schedule
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.rl.probe import DRAWN, NOISE, OTHER, Probe, Speaker
from dlpo.rl.prompts import Prompt
from dlpo.rl.rewards import MeasuredReward
from dlpo_bench.statistics import mean
from tests.toys import save_contour_toy


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> PitchFlow:
    return PitchFlow(load_checkpoint(save_contour_toy(tmp_path_factory.mktemp("v"))).model)


@pytest.fixture
def probe(policy: PitchFlow, tiny_dataset: Path) -> Probe:
    return Probe(policy, Corpora([tiny_dataset]), split="train")


def test_a_reward_of_the_own_contour_prefers_it(probe: Probe) -> None:
    own = {
        probe.prompts[i].number: torch.from_numpy(probe.recorded.found[i].points)
        for i in probe.utterances
    }

    def likeness(prompt: Prompt, contours: Sequence[Tensor], seed: int) -> np.ndarray:
        line = own[prompt.number].flatten()
        return np.array([np.corrcoef(line, c.flatten())[0, 1] for c in contours])

    found = probe.prefers_right(likeness)
    assert set(found) == {DRAWN, OTHER, NOISE}
    assert all(mean(np.array(differences)).low > 0 for differences in found.values())


def test_contours_need_others_to_compare_with(policy: PitchFlow, tiny_dataset: Path) -> None:
    with pytest.raises(DataError, match="1 validation recordings; expected two or more"):
        Probe(policy, Corpora([tiny_dataset]))


def test_a_constant_reward_prefers_nothing(probe: Probe) -> None:
    found = probe.prefers_right(lambda prompt, contours, seed: np.zeros(len(contours)))
    assert not any(any(differences) for differences in found.values())


def test_the_best_of_eight_raises_what_agrees_alone(probe: Probe) -> None:
    def spread(prompt: Prompt, contours: Sequence[Tensor], seed: int) -> np.ndarray:
        return np.array([float(contour.std()) for contour in contours])

    def chance(prompt: Prompt, contours: Sequence[Tensor], seed: int) -> np.ndarray:
        return np.random.default_rng((prompt.number, seed)).normal(size=len(contours))

    found = probe.best_of_eight(spread, {"agrees": spread, "hears nothing": chance})
    assert mean(np.array(found["agrees"])).low > 0
    assert abs(np.mean(found["hears nothing"])) < 2


def test_speech_follows_the_given_contour(policy: PitchFlow) -> None:
    prompt = Prompt(0, "hello", np.array([1, 30, 40, 50, 60, 9], np.int64))
    speaker = Speaker(policy, named_schedule("cosine:1.25", 1, 0.0))
    flat = torch.full((2, len(prompt.symbols)), 5.0)
    low, high = (speaker.speak(prompt, flat + shift, 0) for shift in (0.0, 0.7))
    assert low.shape == high.shape
    assert not np.allclose(low, high)
    reward = MeasuredReward(
        "peak", lambda clips: np.array([np.abs(w).max() for w in clips.waveforms])
    )
    scores = speaker.score(reward)(prompt, [flat, flat + 0.7], 0)
    assert scores == pytest.approx([np.abs(low).max(), np.abs(high).max()])
