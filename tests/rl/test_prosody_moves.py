"""The coordinates of a voice's prosody."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from dlpo.model.acoustics import Prosody
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.rl.prosody_moves import prosody_moves
from dlpo.rl.weight_space import WeightSpace


def test_prosody_sets_lengths_energy_and_timbre(voice: SpectralWaveGrad2) -> None:
    voice = copy.deepcopy(voice)
    space = WeightSpace([], "prosody", prosody=prosody_moves(voice))
    phonemes = torch.tensor([[5, 17, 30, 9, 41]])
    everything = torch.ones_like(phonemes, dtype=torch.bool)
    speaker = voice.named_voice()
    upsampled = torch.randn(1, voice.config.hidden_channels, 8)

    def predict() -> tuple[Tensor, Prosody, Tensor]:
        durations = voice.encode(phonemes, everything, None, speaker)[1]
        prosody = voice.predict_prosody(upsampled, speaker)
        return durations, prosody, voice.predict_mel(upsampled, silence, speaker)

    silence = Prosody(*torch.zeros(3, 1, 8))
    before = predict()
    v = torch.zeros(len(space.prosody))
    v[0] = 2.0  # log duration
    v[4] = 3.0  # energy
    v[7] = 4.0  # gain of log-mel
    v[11] = 5.0  # a band
    with space.moved([v], 0.1):
        after = predict()
    torch.testing.assert_close(after[0], before[0] * math.exp(0.2))
    torch.testing.assert_close(after[1].energy, before[1].energy + 0.3)
    torch.testing.assert_close(after[1].log_f0, before[1].log_f0)
    raised = after[2] - 1.4 * before[2]
    assert raised.amax((0, 2)).argmax() == round(3 * 79 / 9)  # the fourth of ten bands
    torch.testing.assert_close(raised.sum(1), torch.full((1, 8), 0.5 * 79 / 9), atol=0.05, rtol=0)
    assert all(torch.equal(a, b) for a, b in zip(predict()[::2], before[::2], strict=True))
