"""De-emphasis undoes pre-emphasis."""

from __future__ import annotations

import numpy as np
import torch

from dlpo.audio import pre_emphasise
from dlpo.model.blocks import de_emphasise


def test_de_emphasis_undoes_pre_emphasis() -> None:
    waveform = np.random.default_rng(1).uniform(-1, 1, 3000).astype(np.float32)
    restored = de_emphasise(torch.from_numpy(pre_emphasise(waveform))[None])
    np.testing.assert_allclose(restored[0].numpy(), waveform, atol=2e-6)


def test_de_emphasis_is_the_convolution_with_its_kernel() -> None:
    x = np.random.default_rng(2).standard_normal((2, 900)).astype(np.float32)
    expected = [np.convolve(row, 0.9 ** np.arange(160))[:900] for row in x]
    np.testing.assert_allclose(de_emphasise(torch.from_numpy(x)).numpy(), expected, atol=1e-5)


def test_response_is_shorter_than_a_frame() -> None:
    impulse = torch.zeros(1, 600)
    impulse[0, 0] = 1
    assert de_emphasise(impulse)[0, 256:].abs().max() == 0
