"""The speaker encoder on weights of its layout: what depends on the weights, and what doesn't."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dlpo.errors import CheckpointError, InputError
from dlpo.judges.speaker import SpeakerEncoder, SpeakerSimilarity

RATE = 22_050  # Hz


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, named as in the published file."""
    torch.manual_seed(0)
    lstm, linear = torch.nn.LSTM(40, 256, num_layers=3), torch.nn.Linear(256, 256)
    state = {f"lstm.{k}": v for k, v in lstm.state_dict().items()}
    state |= {f"linear.{k}": v for k, v in linear.state_dict().items()}
    path = tmp_path_factory.mktemp("speaker") / "encoder.pt"
    torch.save({"model_state": state | {"similarity_weight": torch.ones(1)}}, path)
    return path


def hum(hertz: float, seconds: float = 2.0) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    tones = [np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 9)]
    return (0.1 * np.sum(tones, axis=0)).astype(np.float32)


def test_level_and_silent_ends_do_not_change_the_speaker(weights: Path) -> None:
    encoder = SpeakerEncoder(weights)
    silence = np.zeros(RATE // 2, np.float32)
    plain = encoder.embed(hum(180), RATE)
    quiet = encoder.embed(np.concatenate([silence, 0.1 * hum(180), silence]), RATE)
    assert np.linalg.norm(plain) == pytest.approx(1)
    assert plain @ quiet > 0.999


def test_the_nearest_clip_to_a_speaker_is_the_speakers_own(weights: Path) -> None:
    judge = SpeakerSimilarity(SpeakerEncoder(weights), [hum(180), hum(190)], RATE)
    own, other, nobody = judge.score([hum(185), hum(90), np.zeros(RATE, np.float32)], RATE)
    assert other < own <= 1
    assert nobody <= own


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"model_state": {"lstm.weight": torch.ones(1)}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="not the weights of Resemblyzer"):
        SpeakerEncoder(tmp_path / "other.pt")


def test_a_speaker_without_recordings_is_refused(weights: Path) -> None:
    with pytest.raises(InputError, match="no recordings"):
        SpeakerSimilarity(SpeakerEncoder(weights), [], RATE)
